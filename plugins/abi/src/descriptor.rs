//! The exported symbol: what a plugin offers, and whether it wants to run here.

use crate::{sized, HostInfo, Note, SizeError, SizeFirst, Status, Text, TextSink};
use core::ffi::c_void;

/// The data symbol a plugin exports, under the name its note gives in [`entry`](crate::Identity::entry).
///
/// It and all it points to is constant and lives as long as the plugin is mapped, which is for ever: plugins are never
/// unloaded. The version and kind repeat the note's; a host that finds them to differ refuses the plugin.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PluginDescriptor {
    /// Size of this structure in bytes, as the plugin knows it.
    pub size: u32,
    /// Major version of the contract the plugin was built against.
    pub abi_major: u16,
    /// Minor version of the contract the plugin was built against.
    pub abi_minor: u16,
    /// Code of the plugin's [`Kind`](crate::Kind).
    pub kind: u32,
    /// Zero. A host ignores bits it does not know.
    pub flags: u32,
    /// Whether the plugin wants to run on this host: [`Status::OK`] yes, [`Status::DECLINED`] no, with the reason written
    /// to the sink; any other status counts as no. Null means yes.
    ///
    /// Called before any other function and before anything of the plugin is used, on one thread at a time, perhaps more
    /// than once. It must be quick, and must not start threads or keep the facts: they are borrowed for the call.
    pub accept: Option<unsafe extern "C" fn(host: *const HostInfo, reason: TextSink) -> Status>,
    /// First of the factories. The distance from one to the next is the `size` of the first.
    pub factories: *const Factory,
    /// Number of factories, at least 1. The first is the default.
    pub factory_count: usize,
}

/// One thing a plugin can make instances of. Most plugins have one; a cache may offer several strategies.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Factory {
    /// Size of this structure in bytes, as the plugin knows it; the same for all factories of a plugin.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Name by which an operator chooses it, unique in the plugin, not empty.
    pub name: Text,
    /// The table that the plugin's kind asks for, such as [`HandlerTable`](crate::HandlerTable).
    pub table: *const c_void,
}

/// A plugin that is linked into the program instead of being loaded: the same note, the same descriptor.
#[derive(Debug, Clone, Copy)]
pub struct StaticPlugin {
    /// The note it would have as a file.
    pub note: &'static Note,
    /// The descriptor its entry symbol would lead to.
    pub descriptor: &'static PluginDescriptor,
}

impl PluginDescriptor {
    /// Reads the factory number `index`, `None` if there is no such one.
    ///
    /// # Errors
    /// If the array or the factory is not what the contract says.
    ///
    /// # Safety
    /// The descriptor comes from a plugin of this major version that keeps to the contract.
    pub unsafe fn factory(&self, index: usize) -> Result<Option<Factory>, SizeError> {
        if index >= self.factory_count {
            return Ok(None);
        }
        // SAFETY: the array has at least one element (index < count), a structure that begins with its size.
        let first = unsafe { sized::read_sized(self.factories) }?;
        let stride = first.size as usize;
        let offset = match index.checked_mul(stride) {
            Some(offset) if offset <= isize::MAX as usize => offset,
            _ => return Err(SizeError::TooSmall { size: stride, minimum: Factory::MINIMUM_SIZE }),
        };
        // SAFETY: all elements have the size of the first and `index` is in bounds.
        let at = unsafe { self.factories.cast::<u8>().add(offset) };
        // SAFETY: see above; alignment is checked by the callee.
        unsafe { sized::read_sized(at.cast::<Factory>()) }.map(Some)
    }
}

// SAFETY: the contract makes a descriptor and what it points to constant.
unsafe impl Send for PluginDescriptor {}
// SAFETY: as above.
unsafe impl Sync for PluginDescriptor {}
// SAFETY: the contract makes a factory and what it points to constant.
unsafe impl Send for Factory {}
// SAFETY: as above.
unsafe impl Sync for Factory {}

// SAFETY: `repr(C)`, `u32` size first, integers and pointers only.
unsafe impl SizeFirst for PluginDescriptor {
    const MINIMUM_SIZE: usize = 40;
}
// SAFETY: `repr(C)`, `u32` size first, integers and pointers only.
unsafe impl SizeFirst for Factory {
    const MINIMUM_SIZE: usize = 32;
}
