//! Structures of other minor versions: shorter and longer than ours.

use plugin_abi::sized::{borrow_sized, has_field, read_sized};
use plugin_abi::*;
use std::ffi::c_void;
use std::mem::{offset_of, size_of};

unsafe extern "C" fn health(_: *mut c_void, _: TextSink) -> Status {
    Status::OK
}
unsafe extern "C" fn destroy(_: *mut c_void) {}

fn table(size: u32) -> HandlerTable {
    HandlerTable {
        size,
        reserved: 0,
        create: None,
        destroy: Some(destroy),
        route: Text::new("/ip"),
        methods: std::ptr::null(),
        method_count: 0,
        handle: None,
        health: Some(health),
    }
}

/// What 1.0 had, in the words of `MINIMUM_SIZE`, ends where the additions of 1.1 begin.
#[test]
fn minimum_sizes_end_before_what_was_added() {
    assert_eq!(HandlerTable::MINIMUM_SIZE, offset_of!(HandlerTable, health));
    assert_eq!(MiddlewareTable::MINIMUM_SIZE, offset_of!(MiddlewareTable, health));
    assert_eq!(CacheTable::MINIMUM_SIZE, offset_of!(CacheTable, health));
    assert_eq!(ResolverTable::MINIMUM_SIZE, offset_of!(ResolverTable, health));
    assert_eq!(ShowcaseTable::MINIMUM_SIZE, size_of::<ShowcaseTable>());
    assert_eq!(PluginDescriptor::MINIMUM_SIZE, size_of::<PluginDescriptor>());
    assert_eq!(Factory::MINIMUM_SIZE, size_of::<Factory>());
    assert_eq!(CreateArgs::MINIMUM_SIZE, size_of::<CreateArgs>());
    assert_eq!(HostInfo::MINIMUM_SIZE, size_of::<HostInfo>());
    assert_eq!(Request::MINIMUM_SIZE, size_of::<Request>());
    assert_eq!(ResponseSink::MINIMUM_SIZE, size_of::<ResponseSink>());
    assert_eq!(RequestEdit::MINIMUM_SIZE, size_of::<RequestEdit>());
    assert_eq!(ResponseView::MINIMUM_SIZE, size_of::<ResponseView>());
    assert_eq!(ResponseEdit::MINIMUM_SIZE, size_of::<ResponseEdit>());
    assert_eq!(Upstream::MINIMUM_SIZE, size_of::<Upstream>());
    assert_eq!(UpstreamSink::MINIMUM_SIZE, size_of::<UpstreamSink>());
}

#[test]
fn a_shorter_table_lacks_what_was_added() {
    // The bytes behind the claimed size are there but must not be looked at.
    let old = table(HandlerTable::MINIMUM_SIZE as u32);
    // SAFETY: a valid table.
    let read = unsafe { read_sized(&old) }.unwrap();
    assert!(read.health.is_none());
    assert!(read.destroy.is_some());
    // SAFETY: the route is a literal.
    assert_eq!(unsafe { read.route.as_str() }, Ok("/ip"));
}

#[test]
fn a_longer_table_is_read_as_far_as_known() {
    #[repr(C)]
    struct Newer {
        table: HandlerTable,
        added: usize,
    }
    let newer = Newer { table: table(size_of::<Newer>() as u32), added: 1 };
    // SAFETY: a valid table, as long as it claims.
    let read = unsafe { read_sized(std::ptr::addr_of!(newer).cast::<HandlerTable>()) }.unwrap();
    assert!(read.health.is_some());
    assert_eq!(newer.added, 1);
}

#[test]
fn impossible_structures_are_errors() {
    fn refused(from: *const HandlerTable) -> SizeError {
        // SAFETY: callers pass a valid table with a size that must be refused, or a pointer that must not be read.
        unsafe { read_sized(from) }.unwrap_err()
    }
    let too_small = SizeError::TooSmall { size: 8, minimum: HandlerTable::MINIMUM_SIZE };
    assert_eq!(refused(&table(8)), too_small);
    assert_eq!(refused(std::ptr::null()), SizeError::Null);
    assert_eq!(
        refused(std::ptr::addr_of!(too_small).cast::<u8>().wrapping_add(1).cast()),
        SizeError::Misaligned
    );
    let old = table(HandlerTable::MINIMUM_SIZE as u32);
    // SAFETY: a valid table, too short to be borrowed whole.
    assert!(unsafe { borrow_sized(&old) }.is_err());
}

#[test]
fn fields_are_there_when_the_size_covers_them() {
    let (offset, size) = (offset_of!(HandlerTable, health), size_of::<usize>());
    assert!(has_field(HandlerTable::SIZE, offset, size));
    assert!(!has_field(HandlerTable::SIZE - 1, offset, size));
    assert!(!has_field(u32::MAX, usize::MAX, 1));
}

#[test]
fn factories_are_found_by_the_stride_of_the_first() {
    #[repr(C)]
    struct NewerFactory {
        factory: Factory,
        added: u64,
    }
    let factory = |name| NewerFactory {
        factory: Factory {
            size: size_of::<NewerFactory>() as u32,
            reserved: 0,
            name: Text::new(name),
            table: std::ptr::null(),
        },
        added: u64::MAX,
    };
    let factories = [factory("Factory"), factory("Other")];
    assert_eq!(factories[0].added, u64::MAX);
    let descriptor = PluginDescriptor {
        size: PluginDescriptor::SIZE,
        abi_major: ABI_MAJOR,
        abi_minor: ABI_MINOR,
        kind: Kind::Cache.code(),
        flags: 0,
        accept: None,
        factories: factories.as_ptr().cast(),
        factory_count: factories.len(),
    };
    let names: Vec<_> = (0..3)
        // SAFETY: the descriptor keeps to the contract.
        .map(|index| unsafe {
            descriptor.factory(index).unwrap().map(|factory| factory.name.as_str().unwrap())
        })
        .collect();
    assert_eq!(names, [Some("Factory"), Some("Other"), None]);
}
