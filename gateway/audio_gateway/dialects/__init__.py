"""One folder for each HTTP dialect: other people's shapes in, other people's shapes out."""
