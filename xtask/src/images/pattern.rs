//! Path patterns of definitions: `*` matches within one path component, `**` across them.

/// Whether `path` (without a leading slash) matches one of `patterns`.
pub(crate) fn any_matches(patterns: &[String], path: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern.as_bytes(), path.as_bytes()))
}

fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=path.len()).any(|end| matches(rest, &path[end..])),
        [b'*', rest @ ..] => {
            let end = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
            (0..=end).any(|end| matches(rest, &path[end..]))
        }
        [byte, rest @ ..] => path.first() == Some(byte) && matches(rest, &path[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::any_matches;

    #[test]
    fn stars() {
        let cases = [
            ("usr/share/doc/**", "usr/share/doc/libc6/copyright", true),
            ("usr/share/doc/**", "usr/share/doc", false),
            ("usr/share/doc/*/copyright", "usr/share/doc/libc6/copyright", true),
            ("usr/share/doc/*/copyright", "usr/share/doc/a/b/copyright", false),
            ("usr/bin/qemu-aarch64-static", "usr/bin/qemu-aarch64-static", true),
            ("usr/bin/qemu-*-static", "usr/bin/qemu-arm-static", true),
            ("**/*.a", "usr/lib/x/libc.a", true),
            ("**/*.a", "usr/lib/x/libc.so", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(any_matches(&[pattern.to_owned()], path), expected, "{pattern} {path}");
        }
    }
}
