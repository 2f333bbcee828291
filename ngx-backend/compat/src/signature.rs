//! What the digits of a signature say.

/// In what two signatures differ, for people. They are of one version of nginx, since digits have come and gone.
pub(crate) fn difference(module: &str, nginx: &str) -> String {
    let (sizes, digits) = module.rsplit_once(',').unwrap_or(("", module));
    let (sizes_there, digits_there) = nginx.rsplit_once(',').unwrap_or(("", nginx));
    if sizes != sizes_there {
        return format!("sizes {sizes} (of pointers, sig_atomic_t and time_t) against {sizes_there}");
    }
    if digits.len() != digits_there.len() {
        return format!("{} digits against {}", digits.len(), digits_there.len());
    }
    let differing: Vec<String> = digits
        .chars()
        .zip(digits_there.chars())
        .enumerate()
        .filter(|(_, (one, other))| one != other)
        .map(|(index, (one, other))| {
            let name = FLAGS.get(index).filter(|name| !name.is_empty());
            let name = name.map_or_else(|| format!("digit {}", index + 1), |name| (*name).to_owned());
            format!("{name} {one} against {other}")
        })
        .collect();
    differing.join(", ")
}

/// What stands behind each digit (nginx's src/core/ngx_module.h, 1.22 to 1.28); empty for those that have one value only.
const FLAGS: [&str; 34] = [
    "kqueue",
    "IOCP",
    "--with-file-aio",
    "sendfile with SF_NODISKIO",
    "eventfd",
    "epoll",
    "TCP_KEEPIDLE",
    "IPv6",
    "",
    "",
    "deferred accept",
    "",
    "SO_SETFIB",
    "TCP_FASTOPEN",
    "unix sockets",
    "variadic macros",
    "",
    "QUIC",
    "openat",
    "atomic operations",
    "POSIX semaphores",
    "--with-threads",
    "PCRE",
    "--with-http_ssl_module",
    "",
    "gzip",
    "",
    "X-Forwarded-For",
    "--with-http_realip_module",
    "headers",
    "--with-http_dav_module",
    "HTTP cache",
    "upstream zones",
    "--with-compat",
];

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn differences_are_named() {
        let debian = "8,4,8,0011111111010111001111111111111111";
        let cases = [
            ("8,4,8,0011111111010111001111111111111110", "--with-compat 0 against 1"),
            (
                "8,4,8,0001111111010111001110111111111111",
                "--with-file-aio 0 against 1, --with-threads 0 against 1",
            ),
            (
                "4,4,4,0011111111010111001111111111111111",
                "sizes 4,4,4 (of pointers, sig_atomic_t and time_t) against 8,4,8",
            ),
            ("8,4,8,001", "3 digits against 34"),
            ("", "sizes  (of pointers, sig_atomic_t and time_t) against 8,4,8"),
        ];
        for (module, expected) in cases {
            assert_eq!(difference(module, debian), expected, "{module}");
        }
    }
}
