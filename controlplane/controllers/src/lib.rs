//! One module a controller: a pure plan and a loop fed by events.
