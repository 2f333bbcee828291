//! What nginx's words mean when it does not load a module.
//!
//! The sentences are those of `ngx_load_module` (src/core/nginx.c) and `ngx_add_module` (src/core/ngx_module.c), 1.22 to 1.26, and in those of
//! glibc's loader (elf/dl-load.c, elf/dl-version.c, elf/dl-lookup.c, 2.36 to 2.41).

/// The line with which nginx gives up, without its time and process number and the place in the configuration, and with `MODULE` for the path
/// of the module: it is the same in every run.
pub(super) fn complaint(stderr: &str, path: &str) -> Option<String> {
    let (_, line) = stderr.lines().find_map(|line| line.split_once(" [emerg] "))?;
    let (_, words) = line.split_once(": ")?;
    let words = words.split_once(" in /").map_or(words, |(words, _)| words);
    Some(words.replace(path, "MODULE"))
}

/// The code that `complaint` confirms, if it says so clearly.
pub(super) fn code(complaint: &str) -> Option<&'static str> {
    let sentences: [(&str, &str); 10] = [
        ("\"ngx_modules\" failed", "nginx.no-modules"),
        ("\"ngx_module_names\" failed", "nginx.no-modules"),
        ("undefined symbol: ngx_", "nginx.symbol"),
        ("undefined symbol: ", "symbol.undefined"),
        ("' not found (required by ", "libc.symbol-version"),
        ("invalid ELF header", "elf.not-elf"),
        ("file too short", "elf.truncated"),
        ("cannot read file data", "elf.truncated"),
        ("is not binary compatible", "nginx.signature"),
        ("is already loaded", "nginx.duplicate"),
    ];
    let is_of_another_version = complaint.starts_with("module ") && complaint.contains(" instead of ");
    // Of the module itself this says nothing: glibc's words for a file of another machine are the same.
    let is_library_missing =
        complaint.contains(": cannot open shared object file") && !complaint.contains("(MODULE: ");
    let found = sentences.iter().find(|(words, _)| complaint.contains(words)).map(|(_, code)| *code);
    found
        .or(is_of_another_version.then_some("nginx.version"))
        .or(is_library_missing.then_some("library.missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from Debian's nginx 1.22.1.
    #[test]
    fn recorded_words_give_their_code() {
        let cases = [
            (
                r#"module "/dist/m.so" version 1026003 instead of 1022001 in /tmp/nginx.conf:1"#,
                r#"module "MODULE" version 1026003 instead of 1022001"#,
                Some("nginx.version"),
            ),
            (
                r#"module "/dist/m.so" is not binary compatible in /tmp/nginx.conf:1"#,
                r#"module "MODULE" is not binary compatible"#,
                Some("nginx.signature"),
            ),
            (
                r#"module "ngx_http_gzip_filter_module" is already loaded in /tmp/nginx.conf:1"#,
                r#"module "ngx_http_gzip_filter_module" is already loaded"#,
                Some("nginx.duplicate"),
            ),
            (
                r#"dlsym() "/dist/m.so", "ngx_modules" failed (/dist/m.so: undefined symbol: ngx_modules) in /tmp/nginx.conf:1"#,
                r#"dlsym() "MODULE", "ngx_modules" failed (MODULE: undefined symbol: ngx_modules)"#,
                Some("nginx.no-modules"),
            ),
            (
                r#"dlopen() "/dist/m.so" failed (/dist/m.so: undefined symbol: ngx_http_nobody_has_this) in /tmp/nginx.conf:1"#,
                r#"dlopen() "MODULE" failed (MODULE: undefined symbol: ngx_http_nobody_has_this)"#,
                Some("nginx.symbol"),
            ),
            // What glibc says of another machine's file: nothing to go by.
            (
                r#"dlopen() "/dist/m.so" failed (/dist/m.so: cannot open shared object file: No such file or directory) in /tmp/nginx.conf:1"#,
                r#"dlopen() "MODULE" failed (MODULE: cannot open shared object file: No such file or directory)"#,
                None,
            ),
            (
                r#"unknown directive "set_backend_missing" in /tmp/nginx.conf:5"#,
                r#"unknown directive "set_backend_missing""#,
                None,
            ),
        ];
        for (line, words, expected) in cases {
            let stderr = format!(
                "2026/11/21 10:31:34 [emerg] 2#2: {line}\nnginx: configuration file /tmp/nginx.conf test failed\n"
            );
            assert_eq!(complaint(&stderr, "/dist/m.so").as_deref(), Some(words));
            assert_eq!(code(words), expected, "{words}");
        }
        assert_eq!(
            complaint("nginx: the configuration file /tmp/nginx.conf syntax is ok\n", "/dist/m.so"),
            None
        );
    }
}
