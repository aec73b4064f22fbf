//! The only user of the store: authorize, default, validate, admit, write; and the watch cache.
//!
//! Reads and watches are served from memory, as shared serialized bytes. Every write, from wherever it
//! comes, takes the same path. The verbs:
//!
//! ```text
//! Registry::open(RegistryConfig, Arc<dyn Store>) -> Result<Arc<Registry>, OpenError>          async
//! get(&Identity, Target, ResourceVersion) -> Result<Stored, Status>                           async
//! list(&Identity, &'static Kind, Option<namespace>, &ListOptions) -> Result<ListResult, Status> async
//! watch(&Identity, &'static Kind, Option<namespace>, WatchOptions) -> Result<Watch, Status>   async
//!     Watch: Stream<Item = Event> + Send + 'static
//! create(&Identity, &'static Kind, namespace, Value, &WriteOptions) -> Result<Stored, Status> async
//! create_subresource(&Identity, Target, Value, &WriteOptions) -> Result<Value, Status>        async
//!     pods/binding and pods/eviction; the answer is a v1.Status of success
//! update(&Identity, Target, Value, &WriteOptions) -> Result<Stored, Status>                   async
//! patch(&Identity, Target, &(dyn Fn(&Value) -> Result<Value, Status> + Send + Sync), &WriteOptions)
//!     -> Result<Stored, Status>                                                               async
//!     the function maps the newest state (of the subresource) to the wanted one; it may run again
//! delete(&Identity, &'static Kind, &ObjectKey, &DeleteOptions) -> Result<Deleted, Status>     async
//! delete_collection(&Identity, &'static Kind, Option<namespace>, &ListOptions, &DeleteOptions)
//!     -> Result<ListResult, Status>                                                           async
//! authorize(&Identity, &Action) -> Result<(), Status>
//!     for what has no verb here: log, exec, attach, portforward, access reviews
//! Registry::client(&Arc<Registry>) -> Arc<dyn sheave_client::Client>   the controllers' door
//! ```

pub mod identity;
pub mod options;

pub use identity::{Action, Identity};
pub use options::{
    DeleteOptions, Deleted, Event, ListOptions, ListResult, ResourceVersion, ResourceVersionMatch,
    Target, WatchOptions, WriteOptions,
};
