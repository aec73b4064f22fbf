//! The only user of the store: authorize, default, validate, admit, write; and the watch cache.
