//! A middleware, through its table.

use crate::handler::request;
use crate::host::{self, Message};
use plugin_sdk::abi::{
    self, Bytes, MiddlewareTable, RequestEdit, ResponseEdit, ResponseSink, ResponseView, SizeFirst, Status,
    Text,
};
use plugin_sdk::{Answer, Error, Flow, Middleware, Plugin, Request, Response, Setup};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

static LIVE_STATES: AtomicUsize = AtomicUsize::new(0);

struct State(&'static str);

impl State {
    fn new(path: &'static str) -> State {
        LIVE_STATES.fetch_add(1, Ordering::SeqCst);
        State(path)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        LIVE_STATES.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Tagger;

impl Plugin for Tagger {
    fn create(_setup: &Setup<'_>) -> Result<Tagger, Error> {
        Ok(Tagger)
    }
}

impl Middleware for Tagger {
    type State = State;

    fn before(
        &self,
        request: &Request<'_>,
        edit: &mut plugin_sdk::RequestEdit<'_>,
        response: &mut Response<'_>,
    ) -> Result<Flow<State>, Error> {
        match request.path()? {
            "/panic" => panic!("before"),
            "/answer" => {
                response.set_status(204)?;
                Ok(Flow::Answered)
            }
            "/panic-after" => Ok(Flow::Continue(State::new("panic"))),
            _ => {
                edit.set_header("x-tag", "1")?;
                Ok(Flow::Continue(State::new("tagged")))
            }
        }
    }

    fn after(
        &self,
        _request: &Request<'_>,
        answer: Option<&mut Answer<'_>>,
        state: State,
    ) -> Result<(), Error> {
        if state.0 == "panic" {
            panic!("after");
        }
        match answer {
            Some(answer) if answer.status() == 200 => answer.edit().set_header("x-tag", state.0),
            _ => Ok(()),
        }
    }
}

plugin_sdk::export_plugin! { name: "tagger", middleware: Tagger, entry: "dynlab_test_middleware" }

/// Headers and statuses that were set, as lines.
type Lines = Vec<String>;

unsafe extern "C" fn set_header(context: *mut c_void, name: Text, value: Bytes) -> Status {
    // SAFETY: the context is the lines the sink was made from; the views are lent for this call.
    let (lines, name, value) =
        unsafe { (&mut *context.cast::<Lines>(), name.as_str().unwrap(), value.as_slice().unwrap()) };
    lines.push(format!("{name}: {}", String::from_utf8_lossy(value)));
    Status::OK
}

unsafe extern "C" fn set_status(context: *mut c_void, status: u32) -> Status {
    // SAFETY: as above.
    unsafe { (*context.cast::<Lines>()).push(format!("status {status}")) };
    Status::OK
}

fn table() -> MiddlewareTable {
    host::table(&PLUGIN, 0)
}

/// Runs `before` and returns what it came to, what it set, its state and its message.
fn before(instance: *mut c_void, path: &str) -> (Status, Lines, *mut c_void, String) {
    let mut lines = Lines::new();
    let context: *mut c_void = ptr::from_mut(&mut lines).cast();
    let edit = RequestEdit {
        size: RequestEdit::SIZE,
        reserved: 0,
        context,
        set_header: Some(set_header),
        add_header: None,
        remove_header: None,
        set_target: None,
        set_peer: None,
    };
    let response = ResponseSink {
        size: ResponseSink::SIZE,
        reserved: 0,
        context,
        set_status: Some(set_status),
        add_header: None,
        write_body: None,
    };
    let mut state = ptr::null_mut();
    let mut message = Message::default();
    let request = request(Text::new(path), &[], b"");
    // SAFETY: everything passed outlives the call.
    let status =
        unsafe { table().before.unwrap()(instance, &request, &edit, &response, &mut state, message.sink()) };
    (status, lines, state, message.text().to_owned())
}

fn after(instance: *mut c_void, response: Option<u32>, state: *mut c_void) -> (Status, Lines, String) {
    let mut lines = Lines::new();
    let view = response.map(|status| ResponseView {
        size: ResponseView::SIZE,
        status,
        headers: ptr::null(),
        header_count: 0,
        body: Bytes::ABSENT,
    });
    let edit = ResponseEdit {
        size: ResponseEdit::SIZE,
        reserved: 0,
        context: ptr::from_mut(&mut lines).cast(),
        set_status: None,
        set_header: Some(set_header),
        add_header: None,
        remove_header: None,
        set_body: None,
    };
    let request: abi::Request = request(Text::new("/"), &[], b"");
    let mut message = Message::default();
    let (view, edit) = match &view {
        Some(view) => (ptr::from_ref(view), ptr::from_ref(&edit)),
        None => (ptr::null(), ptr::null()),
    };
    // SAFETY: everything passed outlives the call; the state comes from `before` and is given back once.
    let status = unsafe { table().after.unwrap()(instance, &request, view, edit, state, message.sink()) };
    (status, lines, message.text().to_owned())
}

/// One test, because the states are counted.
#[test]
fn requests_go_through_and_every_state_ends() {
    let instance = host::create(table().create, b"").unwrap();

    let (status, lines, state, _) = before(instance, "/");
    assert_eq!((status, lines), (Status::OK, vec!["x-tag: 1".to_owned()]));
    assert_eq!(LIVE_STATES.load(Ordering::SeqCst), 1);
    assert_eq!(
        after(instance, Some(200), state),
        (Status::OK, vec!["x-tag: tagged".to_owned()], String::new())
    );
    assert_eq!(LIVE_STATES.load(Ordering::SeqCst), 0);

    // The client went away: no response, the state ends all the same.
    let (_, _, state, _) = before(instance, "/");
    assert_eq!(after(instance, None, state), (Status::OK, Lines::new(), String::new()));
    assert_eq!(LIVE_STATES.load(Ordering::SeqCst), 0);

    let (status, lines, state, _) = before(instance, "/answer");
    assert_eq!((status, lines), (Status::ANSWERED, vec!["status 204".to_owned()]));
    assert!(state.is_null());

    let (status, _, state, message) = before(instance, "/panic");
    assert_eq!((status, &*message), (Status::PANICKED, "panicked: before"));
    assert!(state.is_null());

    let (_, _, state, _) = before(instance, "/panic-after");
    let (status, _, message) = after(instance, Some(200), state);
    assert_eq!((status, &*message), (Status::PANICKED, "panicked: after"));
    assert_eq!(LIVE_STATES.load(Ordering::SeqCst), 0);

    let (status, _, message) = after(instance, Some(200), ptr::null_mut());
    assert_eq!((status, &*message), (Status::INVALID_ARGUMENT, "state: null pointer"));

    // SAFETY: made by `create`, destroyed once.
    unsafe { table().destroy.unwrap()(instance) };
}
