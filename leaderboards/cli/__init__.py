"""What a person types: the commands of `ptst`, each a thin layer over one of the other rooms."""
