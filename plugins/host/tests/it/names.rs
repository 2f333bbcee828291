//! The trap of glibc's loader: an object that is loaded already is recognised by its *name*. Loading by
//! `/proc/self/fd/N` must never give an earlier plugin that had the same number.

use std::fs;

use crate::lab::Lab;
use crate::loading::{answer, get, handler};

#[test]
fn plugins_loaded_one_after_the_other_are_not_mixed_up() {
    let lab = Lab::new();
    for version in ["1.0.0", "2.0.0", "3.0.0", "4.0.0"] {
        assert_eq!(answer(&lab, &lab.handler(&format!("{version}.so"), "a", version, &[])), version);
    }
}

#[test]
fn a_file_that_is_replaced_under_its_name_is_loaded_anew() {
    let lab = Lab::new();
    let path = lab.handler("a.so", "a", "1.0.0", &[]);
    assert_eq!(answer(&lab, &path), "1.0.0");
    lab.handler("a.so", "a", "2.0.0", &[]);
    assert_eq!(answer(&lab, &path), "2.0.0");
    fs::rename(lab.handler("b.so", "a", "3.0.0", &[]), &path).unwrap();
    assert_eq!(answer(&lab, &path), "3.0.0");
}

#[test]
fn the_same_file_loaded_twice_has_memory_of_its_own_each_time() {
    let lab = Lab::new();
    let count = r#"WORK=char digit = (char)('0' + calls); return response->write_body(response->context, dynlab_bytes(&digit, 1));"#;
    let path = lab.handler("a.so", "a", "1.0.0", &[count]);
    let (first, second) = (lab.load(&path).unwrap(), lab.load(&path).unwrap());
    let (first, second) = (handler(&lab, &first), handler(&lab, &second));
    for (instance, expected) in
        [(&first, b"1"), (&first, b"2"), (&second, b"1"), (&first, b"3"), (&second, b"2")]
    {
        assert_eq!(instance.handle(&get("/handler")).unwrap().body, expected);
    }
}

#[test]
fn a_refused_plugin_does_not_stand_in_the_way_of_the_next() {
    let lab = Lab::new();
    let undefined = lab.compile("bad.so", "../fixtures/undefined-symbol.c", &[]);
    for version in ["1.0.0", "2.0.0"] {
        assert_eq!(lab.load(&undefined).unwrap_err().code(), "symbol.undefined");
        assert_eq!(answer(&lab, &lab.handler("a.so", "a", version, &[])), version);
    }
}
