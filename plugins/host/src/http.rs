//! Requests lent to plugins and responses taken from them.

mod edit;
mod field;
mod request;
mod response;

pub use edit::RequestEdit;
pub use request::{HttpVersion, Request, RequestHeaders};
pub use response::Response;

pub(crate) use edit::{RequestEdits, ResponseEdits};
pub(crate) use request::{from_socket_address, to_socket_address};
pub(crate) use response::ResponseSlot;
