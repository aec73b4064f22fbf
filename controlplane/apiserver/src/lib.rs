//! The HTTP edge of the registry: TLS, identity, discovery, verbs, watches, tables.
