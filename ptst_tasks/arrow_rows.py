"""Rows of parquet, Arrow and Feather files, by pyarrow, and of sets that `datasets` saved.

What a file says of itself is checked before it is believed: pyarrow reads an Arrow file whose
offsets lead outside of it until it is asked to validate, and a column that holds one value a
thousand million times is a small file. Values keep their types: a number is a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from ptst_tasks.delimited import check_names
from ptst_tasks.unpacking import DataFile, FileFaultError, most_bytes

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["batch_rows", "read_arrow", "read_parquet"]

Record = dict[str, Any]
_MOST_ROWS = 20_000_000
_BATCH = 10_000
_END = b"\xff\xff\xff\xff\0\0\0\0"  # of a stream


def read_parquet(file: DataFile) -> list[Record]:
    """Reads a parquet file.

    Raises:
        FileFaultError: If it is damaged, names a column twice, or claims more than is sane.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(_source(file)) as found:
            check_names(found.schema_arrow.names, "the file")
            meta, most = found.metadata, most_bytes(file.path)
            sizes = [meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)]
            _check_size(sum(sizes), most)
            _check_count(meta.num_rows)
            # A text that a dictionary holds once may be every row's, and no longer than its group.
            at_once = max(1, min(_BATCH, most // max([1, *sizes])))
            return list(batch_rows(found.iter_batches(at_once), most))
    except pa.ArrowException as e:
        raise FileFaultError(str(e)) from e


def read_arrow(file: DataFile) -> list[Record]:
    """Reads an Arrow file (Feather is one, too) or an Arrow stream, as `datasets` keeps them.

    Raises:
        FileFaultError: If it is damaged, or names a column twice.
    """
    import pyarrow as pa

    try:
        with file.open() as stream:
            head = stream.read(8)
            tail = _last(stream)
        if head.startswith(b"FEA1"):
            raise FileFaultError("it is Feather of the first version; save it anew")
        source = _source(file)
        if head.startswith(b"ARROW1"):
            return list(_file_rows(pa.ipc.open_file(source), most_bytes(file.path)))
        if tail != _END:  # pyarrow takes a stream that was cut between two batches for a whole one
            raise FileFaultError("the stream has no end; it is not whole, or no Arrow file")
        with pa.ipc.open_stream(source) as found:
            check_names(found.schema.names, "the file")
            return list(batch_rows(found, most_bytes(file.path)))
    except pa.ArrowException as e:
        raise FileFaultError(str(e)) from e


def _file_rows(found: Any, most: int) -> Iterator[Record]:
    check_names(found.schema.names, "the file")
    return batch_rows((found.get_batch(i) for i in range(found.num_record_batches)), most)


def _last(stream: BinaryIO) -> bytes:
    """The last eight bytes of what is left."""
    tail = b""
    while part := stream.read(2**20):
        tail = (tail + part)[-len(_END) :]
    return tail


def _source(file: DataFile) -> Any:
    import pyarrow as pa

    if not file.packing:
        with file.path.open("rb"):  # the operating system's error, with its number
            return pa.OSFile(str(file.path))
    with file.open() as stream:
        return pa.BufferReader(stream.read())


def batch_rows(batches: Iterable[pa.RecordBatch], most: int = 0) -> Iterator[Record]:
    """Rows of batches (or tables), each checked before it is read.

    Args:
        batches: In their order.
        most: How many bytes they may have in memory; any, if it is 0.

    Raises:
        FileFaultError: If there are more than can be held.
        pa.ArrowException: If one is damaged.
    """
    count = size = 0
    for batch in batches:
        _check_count(count := count + batch.num_rows)
        _check_size(size := size + batch.nbytes, most or size)
        batch.validate(full=True)
        narrow = {f.name: read for f in batch.schema if (read := _narrow(f.type))}
        try:
            for row in batch.to_pylist(maps_as_pydicts="strict"):
                yield row | {name: read(row[name]) for name, read in narrow.items()}
        except LookupError as e:
            raise FileFaultError(f"a map in it has a key twice: {e.args[0]}") from e


def _narrow(kind: Any) -> Callable[[Any], Any] | None:
    """What gives numbers of 16 and 32 bits the digits that they have; None where there are none.

    As a float of Python's, which has 64 bits, 0.1 of 32 bits is 0.10000000149011612.
    """
    import pyarrow as pa

    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        width = kind.to_pandas_dtype()
        return lambda value: None if value is None else float(str(width(value)))
    if pa.types.is_dictionary(kind):
        return _narrow(kind.value_type)
    if pa.types.is_struct(kind):
        inner = {f.name: read for f in kind if (read := _narrow(f.type))}
        return (lambda v: v and v | {k: f(v[k]) for k, f in inner.items()}) if inner else None
    if pa.types.is_map(kind):
        item = _narrow(kind.item_type)
        return (lambda v: v and {k: item(said) for k, said in v.items()}) if item else None
    one = _narrow(kind.value_type) if _is_list(kind) else None
    return (lambda v: v and [one(said) for said in v]) if one else None


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    kinds = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view,
             types.is_large_list_view)  # fmt: skip
    return any(found(kind) for found in kinds)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise FileFaultError(
            f"it unpacks to {size:,} bytes, more than {most:,}; write it as JSON lines if that is meant"
        )


def _check_count(rows: int) -> None:
    if rows > _MOST_ROWS:
        raise FileFaultError(f"it holds {rows:,} rows, more than {_MOST_ROWS:,}; take a part of it")
