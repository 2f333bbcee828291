//! A handler, through its table.

use crate::host::{self, Message};
use plugin_sdk::abi::{
    self, create, Bytes, CreateArgs, HandlerTable, Header, HostInfo, ResponseSink, SizeFirst, Status, Text,
    TextSink,
};
use plugin_sdk::{Address, Error, Handler, Level, Method, Plugin, Request, Response, Setup};
use std::ffi::c_void;
use std::ptr;

/// Does what the path says.
struct Obedient {
    greeting: String,
}

impl Plugin for Obedient {
    fn create(setup: &Setup<'_>) -> Result<Obedient, Error> {
        let greeting = setup.config_text()?.to_owned();
        if greeting == "panic" {
            panic!("told to {greeting}");
        }
        if greeting == "number" {
            let _: u32 = greeting.parse()?;
        }
        setup.log().log(Level::Info, format_args!("created on {} cores", setup.host().cores()));
        Ok(Obedient { greeting })
    }

    fn health(&self) -> Result<(), Error> {
        match &*self.greeting {
            "sick" => Err(Error::unavailable("feels sick")),
            "panics when asked" => panic!("asked"),
            _ => Ok(()),
        }
    }
}

impl Drop for Obedient {
    fn drop(&mut self) {
        if self.greeting == "panics when dropped" {
            panic!("dropped");
        }
    }
}

impl Handler for Obedient {
    const ROUTE: &'static str = "/obey/";
    const METHODS: &'static [Method] = &[Method::GET, Method::new("PURGE")];

    fn handle(&self, request: &Request<'_>, response: &mut Response<'_>) -> Result<(), Error> {
        match request.path()? {
            "/obey/panic" => panic!("as {}", "told"),
            "/obey/panic-with-a-number" => std::panic::panic_any(7),
            "/obey/fail" => Err(Error::timed_out("too late")),
            "/obey/bad-header" => response.add_header("bad name", "x"),
            _ => {
                response.set_status(201)?;
                response.add_header("x-query", request.query()?.unwrap_or("none"))?;
                let agent = request.header("user-agent").unwrap_or(b"nobody");
                response.send("text/plain", self.greeting.as_bytes())?;
                response.write(b" ")?;
                response.write(agent)?;
                response.write(request.body())
            }
        }
    }
}

plugin_sdk::export_plugin! { name: "obedient", handler: Obedient, entry: "dynlab_test_handler" }

/// What a handler put into its response.
#[derive(Default, Debug, PartialEq)]
struct Received {
    status: u32,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

unsafe extern "C" fn set_status(context: *mut c_void, status: u32) -> Status {
    // SAFETY: the context is what `sink` was made from; so in all three.
    unsafe { (*context.cast::<Received>()).status = status };
    Status::OK
}

unsafe extern "C" fn add_header(context: *mut c_void, name: Text, value: Bytes) -> Status {
    // SAFETY: as above; the views are lent for this call.
    let (received, name, value) =
        unsafe { (&mut *context.cast::<Received>(), name.as_str().unwrap(), value.as_slice().unwrap()) };
    if name.contains(' ') {
        return Status::INVALID_ARGUMENT;
    }
    received.headers.push((name.to_owned(), value.to_owned()));
    Status::OK
}

unsafe extern "C" fn write_body(context: *mut c_void, chunk: Bytes) -> Status {
    // SAFETY: as above.
    unsafe { (*context.cast::<Received>()).body.extend(chunk.as_slice().unwrap()) };
    Status::OK
}

fn sink(received: &mut Received) -> ResponseSink {
    ResponseSink {
        size: ResponseSink::SIZE,
        reserved: 0,
        context: ptr::from_mut(received).cast(),
        set_status: Some(set_status),
        add_header: Some(add_header),
        write_body: Some(write_body),
    }
}

pub(crate) fn request(path: Text, headers: &[Header], body: &[u8]) -> abi::Request {
    abi::Request {
        size: abi::Request::SIZE,
        http_version: 11,
        method: Text::new("GET"),
        path,
        query: Text::ABSENT,
        mount: Text::new("/obey/"),
        peer: Address::v4([127, 0, 0, 1], 4711),
        headers: headers.as_ptr(),
        header_count: headers.len(),
        body: Bytes::new(body),
    }
}

fn table() -> HandlerTable {
    host::table(&PLUGIN, 0)
}

fn handle(instance: *mut c_void, request: &abi::Request) -> (Status, String, Received) {
    let mut received = Received::default();
    let mut message = Message::default();
    // SAFETY: everything passed outlives the call.
    let status = unsafe { table().handle.unwrap()(instance, request, &sink(&mut received), message.sink()) };
    (status, message.text().to_owned(), received)
}

fn destroy(instance: *mut c_void) {
    // SAFETY: made by `create`, destroyed once.
    unsafe { table().destroy.unwrap()(instance) }
}

#[test]
fn the_table_says_where_and_what() {
    let table = table();
    // SAFETY: the table keeps to the contract.
    let (route, methods) = unsafe {
        let methods = abi::view::array(table.methods, table.method_count).unwrap();
        (
            table.route.as_str().unwrap(),
            methods.iter().map(|method| method.as_str().unwrap()).collect::<Vec<_>>(),
        )
    };
    assert_eq!((route, &*methods), ("/obey/", &["GET", "PURGE"][..]));
    assert_eq!((table.size, table.reserved), (HandlerTable::SIZE, 0));
}

#[test]
fn a_request_is_answered() {
    let instance = host::create(table().create, b"hello").unwrap();
    let headers = [Header { name: Text::new("user-agent"), value: Bytes::new(b"\xfftest") }];
    let (status, message, received) = handle(instance, &request(Text::new("/obey/"), &headers, b"!"));
    assert_eq!((status, &*message), (Status::OK, ""));
    assert_eq!(received.status, 201);
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_owned());
    assert_eq!(received.headers, [header("x-query", "none"), header("content-type", "text/plain")]);
    assert_eq!(received.body, b"hello \xfftest!");
    assert!(host::log_contains("3 created on 2 cores"));
    destroy(instance);
}

#[test]
fn failures_and_panics_become_statuses_with_messages() {
    let instance = host::create(table().create, b"hello").unwrap();
    let cases = [
        ("/obey/panic", Status::PANICKED, "panicked: as told"),
        ("/obey/panic-with-a-number", Status::PANICKED, "panicked without a message"),
        ("/obey/fail", Status::TIMED_OUT, "too late"),
        (
            "/obey/bad-header",
            Status::INVALID_ARGUMENT,
            "the host does not take a header of the response: invalid-argument",
        ),
    ];
    for (path, status, message) in cases {
        let (got, text, _) = handle(instance, &request(Text::new(path), &[], b""));
        assert_eq!((got, &*text), (status, message), "{path}");
    }
    // It still answers.
    assert_eq!(handle(instance, &request(Text::new("/obey/"), &[], b"")).0, Status::OK);
    destroy(instance);
}

#[test]
fn creating_fails_with_a_message() {
    let refused = |config: &[u8]| host::create(table().create, config).unwrap_err();
    assert_eq!(refused(b"panic"), (Status::PANICKED, "panicked: told to panic".to_owned()));
    assert_eq!(refused(b"number"), (Status::FAILED, "invalid digit found in string".to_owned()));
    let (status, message) = refused(b"\xff");
    assert_eq!(status, Status::INVALID_ARGUMENT);
    assert!(message.starts_with("the settings are not UTF-8"), "{message}");
}

#[test]
fn health_is_reported() {
    let cases = [
        (&b"well"[..], Status::OK, ""),
        (b"sick", Status::UNAVAILABLE, "feels sick"),
        (b"panics when asked", Status::PANICKED, "panicked: asked"),
    ];
    for (config, status, message) in cases {
        let instance = host::create(table().create, config).unwrap();
        let mut report = Message::default();
        // SAFETY: a live instance, a sink that outlives the call.
        assert_eq!(unsafe { table().health.unwrap()(instance, report.sink()) }, status);
        assert_eq!(report.text(), message);
        destroy(instance);
    }
}

#[test]
fn a_panic_in_drop_stays_inside() {
    let instance = host::create(table().create, b"panics when dropped").unwrap();
    destroy(instance);
    assert!(host::log_contains("1 destroy: panicked: dropped"));
}

#[test]
fn what_breaks_the_contract_is_refused() {
    let instance = host::create(table().create, b"hello").unwrap();
    let invalid = |request: &abi::Request, because: &str| {
        let (status, message, _) = handle(instance, request);
        assert_eq!((status, &*message), (Status::INVALID_ARGUMENT, because));
    };
    let not_utf8 = Text { ptr: b"/obey/\xff".as_ptr(), len: 7 };
    invalid(&request(not_utf8, &[], b""), "path: text is not UTF-8 after byte 6");
    let good = request(Text::new("/obey/"), &[], b"");
    invalid(
        &abi::Request { body: Bytes { ptr: ptr::null(), len: 9 }, ..good },
        "body: null pointer with length 9",
    );
    invalid(
        &abi::Request { headers: ptr::null(), header_count: 1, ..good },
        "headers: null pointer with length 1",
    );
    // A host older than the plugin, which the plugin's minor version should have kept away.
    invalid(
        &abi::Request { size: 64, ..good },
        "request: structure claims 64 bytes, the contract asks for at least 128",
    );
    // A newer host appends.
    let newer = abi::Request { size: abi::Request::SIZE + 64, ..good };
    assert_eq!(handle(instance, &newer).0, Status::OK);

    let mut message = Message::default();
    // SAFETY: null is what must be noticed.
    let status = unsafe { table().handle.unwrap()(ptr::null_mut(), &good, ptr::null(), message.sink()) };
    assert_eq!((status, message.text()), (Status::INVALID_ARGUMENT, "instance: null pointer"));
    // SAFETY: as above.
    let status = unsafe { table().handle.unwrap()(instance, ptr::null(), ptr::null(), TextSink::IGNORE) };
    assert_eq!(status, Status::INVALID_ARGUMENT);
    destroy(instance);
    destroy(ptr::null_mut());
}

#[test]
fn bad_arguments_of_create_are_refused() {
    let check = |args: &CreateArgs, because: &str| {
        let mut message = Message::default();
        let mut instance = ptr::null_mut();
        // SAFETY: everything passed outlives the call.
        let status = unsafe { table().create.unwrap()(args, &mut instance, message.sink()) };
        assert_eq!((status, message.text()), (Status::INVALID_ARGUMENT, because));
        assert!(instance.is_null());
    };
    let host = host::host_info(&[], &[]);
    let good = host::create_args(b"", &host);
    check(&CreateArgs { host: ptr::null(), ..good }, "host facts: null pointer");
    check(
        &CreateArgs { config: Bytes { ptr: ptr::null(), len: 1 }, ..good },
        "settings: null pointer with length 1",
    );
    let bad_host = HostInfo { arch: Text { ptr: b"\xff".as_ptr(), len: 1 }, ..host };
    check(&CreateArgs { host: &bad_host, ..good }, "architecture: text is not UTF-8 after byte 0");
    // SAFETY: null is what must be noticed.
    let status = unsafe { table().create.unwrap()(&good, ptr::null_mut(), TextSink::IGNORE) };
    assert_eq!(status, Status::INVALID_ARGUMENT);
}

#[test]
fn log_levels_are_those_of_the_contract() {
    assert_eq!(Level::Error as u32, create::LOG_ERROR);
    assert_eq!(Level::Trace as u32, create::LOG_TRACE);
}
