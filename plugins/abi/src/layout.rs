//! The layout of the contract, asserted when it is compiled. All supported targets have 64-bit pointers.

use crate::note::NoteDescriptor;
use crate::*;
use core::mem::{align_of, size_of};

/// Fails to compile unless the type has this size and alignment.
macro_rules! layout {
    ($($name:ty: $size:literal, $align:literal;)*) => {
        $(const _: () = assert!(size_of::<$name>() == $size && align_of::<$name>() == $align, stringify!($name));)*
    };
}

layout! {
    Note: 436, 4;
    NoteDescriptor: 416, 4;
    Text: 16, 8;
    Bytes: 16, 8;
    TextSink: 16, 8;
    LogSink: 16, 8;
    PluginDescriptor: 40, 8;
    Factory: 32, 8;
    CreateArgs: 48, 8;
    HostInfo: 120, 8;
    Label: 32, 8;
    Address: 24, 4;
    Request: 128, 8;
    Header: 32, 8;
    HandlerTable: 72, 8;
    ResponseSink: 40, 8;
    MiddlewareTable: 48, 8;
    RequestEdit: 56, 8;
    ResponseView: 40, 8;
    ResponseEdit: 56, 8;
    CacheTable: 56, 8;
    Completion: 16, 8;
    ResolverTable: 48, 8;
    Upstream: 48, 8;
    UpstreamSink: 24, 8;
    Waker: 16, 8;
    ShowcaseTable: 32, 8;
    Status: 4, 4;
}
