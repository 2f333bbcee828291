//! The messages of `tonic_grpc`, as `protoc` would write them for
//!
//! ```proto
//! syntax = "proto3";
//! package forker;
//! service Greeter { rpc Greet (Who) returns (Greeting); }
//! message Who { string name = 1; }
//! message Greeting { string text = 1; uint32 worker = 2; }
//! ```

/// Where the one method is: `/package.Service/Method`, as gRPC over HTTP/2 has it.
pub const GREET: &str = "/forker.Greeter/Greet";

/// A request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Who {
    /// Whom to greet.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Greeting {
    /// A greeting.
    #[prost(string, tag = "1")]
    pub text: String,
    /// The process that greets.
    #[prost(uint32, tag = "2")]
    pub worker: u32,
}
