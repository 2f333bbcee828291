//! Names that musl's loader understands although its C library does not define them.

use crate::{HostLibc, LibcFamily, LibcVersion};

/// First release that no longer defines the names for large files, which its loader maps to the plain ones instead.
const WITHOUT_LARGE_FILE_NAMES: LibcVersion = LibcVersion { major: 1, minor: 2, patch: 4 };

/// The names without their `64`, as `get_lfs64` in ldso/dynlink.c lists them.
const LARGE_FILE_NAMES: &str = "\
    aio_cancel aio_error aio_fsync aio_read aio_return aio_suspend aio_write alphasort creat \
    fallocate fgetpos fopen freopen fseeko fsetpos fstat fstatat fstatfs fstatvfs ftello \
    ftruncate ftw getdents getrlimit glob globfree lio_listio lockf lseek lstat mkostemp \
    mkostemps mkstemp mkstemps mmap nftw open openat posix_fadvise posix_fallocate pread preadv \
    prlimit pwrite pwritev readdir scandir sendfile setrlimit stat statfs statvfs tmpfile \
    truncate versionsort __fxstat __fxstatat __lxstat __xstat";

/// The name that this C library's loader takes `name` for when nobody defines it.
pub(super) fn plain_name(libc: &HostLibc, name: &str) -> Option<&'static str> {
    let maps_names = libc.family == LibcFamily::Musl
        && libc.version.is_some_and(|version| version >= WITHOUT_LARGE_FILE_NAMES);
    if !maps_names {
        return None;
    }
    if name == "readdir64_r" {
        return Some("readdir_r");
    }
    let plain = name.strip_suffix("64")?;
    LARGE_FILE_NAMES.split_whitespace().find(|known| *known == plain)
}
