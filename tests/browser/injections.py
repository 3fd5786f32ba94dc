r"""Hostile texts for answers and prompts: mild, our own, and loud where a page takes one for its own.

``RUN`` in the table is a statement that sets ``window.__ran`` to the text's name; it holds neither space
nor quotation mark, so that it runs inside of any. example.com is asked for where something is fetched.
"""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["ASKING", "INJECTIONS", "RUNNING"]

_FAR = "https://example.com/"
_IMG = "<img src=x onerror=RUN>"
_FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"

_MARKUP = {
    "script": "<script>RUN</script>",
    "script-end": "</script><script>RUN</script>",
    "script-end-odd": "</ScRiPt\t\n/x><sCrIpT/x>RUN</SCRIPT\f>",
    "script-end-escaped": "<!--<script></script></script>" + _IMG,
    "img-onerror": _IMG,
    "media-onerror": "<video><source src=x onerror=RUN></video><audio src=x onerror=RUN>",
    "body-onload": "<body onload=RUN onpageshow=RUN>",
    "details-ontoggle": "<details open ontoggle=RUN><summary>more</summary></details>",
    "link-javascript": '<a href="javascript:RUN">more</a>',
    "link-javascript-odd": '<a href="&#1;JaVa&#9;Script&colon;RUN">more</a>',
    "iframe-srcdoc": '<iframe srcdoc="<script>RUN</script>"></iframe>',
    "svg-onload": "<svg onload=RUN></svg><svg><script>RUN</script></svg>",
    "svg-animate": "<svg><animate attributeName=x dur=1s onbegin=RUN /></svg>",
    "mathml": "<math><mtext><mglyph></mglyph></mtext><annotation-xml encoding=text/html>"
    + _IMG
    + "</annotation-xml></math>",
    "attribute-end": '"><img src=x onerror=RUN alt="',
    "attribute-end-single": "'><img src=x onerror=RUN alt='",
    "attribute-handler": '" onfocus="RUN" autofocus tabindex="1',
    "cdata-end": "]]>" + _IMG,
    "comment-end": "-->" + _IMG + "<!--",
    "textarea-end": "</title></textarea></style></xmp></noscript>" + _IMG,
    "template-literal": "${RUN}`+(RUN)+`",
    "json-end": '"}];RUN;[{"a":"',
    "json-escapes": r"\u003cimg src=x onerror=RUN\u003e",
    "string-end": "\\';RUN;//\\\";RUN;//",
    "line-separators": "one\u2028RUN//two\u2029RUN//three\u0085four",
    "entities": "&lt;img src=x onerror=RUN&gt; &amp;amp; &#0; &#x1F600; &notit; &",
    "url-encoded": quote(_IMG),
    "markdown-link": "[more](javascript:RUN) <javascript:RUN>",
    "markdown-image": '![a picture](x"onerror="RUN)',
}
_FETCHING = {
    "html-remote": f'<img src="{_FAR}a.png" alt=""><link rel=stylesheet href="{_FAR}a.css">'
    f'<link rel=preconnect href="{_FAR}">',
    "html-link": f'<a href="{_FAR}" ping="{_FAR}ping" target=_blank>more</a>',
    "markdown-remote": f"![pixel]({_FAR}a.png) [more]({_FAR}) <{_FAR}a>",
    "style": f'<style>@import url("{_FAR}a.css"); *{{display:none!important}}</style>',
    "style-attribute": f'<p style="position:fixed;inset:0;background:url({_FAR}a.png)">cover</p>',
    "base": f'<base href="{_FAR}" target=_blank><img src=a.png alt="">',
    "meta-refresh": f'<meta http-equiv=refresh content="0;url={_FAR}">',
    "object-embed": f'<object data="{_FAR}a"></object><embed src="{_FAR}b">',
}
_PLAIN = {
    "comment-start": "<!-- all that follows <plaintext><textarea><title>",
    "bidi": "\u202eabc\u202c \u2066left\u2069 \u2067right\u2069 \u2068first \u202dnever ended \u200f",
    "zero-width": "re\u200bfu\u200csal\u200d \u2060\ufeff\u00ad\u180e\u034f",
    "null-bytes": "a\x00b <\x00img src=x> \x00",
    "controls": "".join(map(chr, [*range(1, 32), *range(127, 160)])) + "\x1b[31mred\x1b[2J\x07\r",
    "lone-surrogates": "\ud800 high, low \udfff, turned round \udc00\ud800",
    "long-line": "a" * 1_000_000,
    "line-breaks": "\n" * 100_000,
    "combining": "e" + "\u0301\u0323\u20dd" * 1000,
    "emoji": "\u200d".join([_FAMILY] * 500),
    "prototype": "__proto__",
    "constructor": "constructor",
    "csv-equals": "=cmd|'/c echo hello'!A1",
    "csv-plus": "+1+1",
    "csv-minus": "-1+1",
    "csv-at": "@SUM(1,1)",
    "csv-tab": "\t=1+1",
    "quotes": "\" ' ` \\ \\\" \\' \"\" '' « » “ ” ‘ ’ „ ‚ ‹ › ＂ ＇",
    "jinja": "{{ 7*7 }} {% raw %} {# gone #} {{ ''.__class__ }} {% include 'a' %}",
    "jinja-endraw": "{% endraw %}{{ 7*7 }}{% raw %}",
}


def _loud(name: str, text: str) -> str:
    return text.replace("RUN", f"top.__ran=`{name}`")


INJECTIONS: list[tuple[str, str]] = [
    *((name, _loud(name, text)) for name, text in _MARKUP.items()),
    *_FETCHING.items(),
    *_PLAIN.items(),
]
"""Name and text of each."""
RUNNING = frozenset(_MARKUP)
"""Those that some careless page executes, some at a click."""
ASKING = frozenset(_FETCHING)
"""Those that make some careless page ask for something far away, some at a click."""
