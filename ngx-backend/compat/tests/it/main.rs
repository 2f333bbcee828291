//! Modules and an nginx made here by the C compiler: the same structures, and nothing else of nginx.

mod fixtures;

use nginx_compat::{Code, Listing, ListingError, Module, judge, judge_unreadable};
use plugin_compat::{ElfFacts, HostReader};
use proptest::prelude::*;

use fixtures::{MODULE, Workshop};

#[test]
fn a_listing_is_read_whatever_the_linker_made_of_it() {
    let workshop = Workshop::new();
    let flags: &[&[&str]] = &[
        &[],
        // Relocations that name the symbol, and those that do not.
        &["-DHIDDEN=__attribute__((visibility(\"hidden\")))"],
        &["-Wl,-Bsymbolic"],
        &["-Wl,--hash-style=sysv"],
        &["-Wl,--hash-style=both"],
        &["-Wl,-s"],
    ];
    for flags in flags {
        let listing = Listing::parse(&workshop.module(flags)).unwrap();
        let [module] = &listing.modules[..] else { panic!("{flags:?}: {listing:?}") };
        assert_eq!((module.name.as_str(), module.version), (MODULE, 1_022_001), "{flags:?}");
        assert_eq!(module.signature, "8,4,8,0011111111010111001111111111111111", "{flags:?}");
        assert_eq!(module.written_version(), "1.22.1");
    }
    let nginx = Listing::parse(&workshop.nginx(&[])).unwrap();
    let names: Vec<&str> = nginx.modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["ngx_core_module", "ngx_http_module"]);
}

#[test]
fn relative_relocations_may_be_packed() {
    let workshop = Workshop::new();
    let Some(file) = workshop.try_module(&["-Wl,-z,pack-relative-relocs", "-Wl,-Bsymbolic"]) else {
        eprintln!("skipped: this linker cannot pack relative relocations");
        return;
    };
    assert!(ElfFacts::parse(&file).unwrap().traits.packed_relocations);
    assert_eq!(Listing::parse(&file).unwrap().modules[0].version, 1_022_001);
}

#[test]
fn what_is_no_module_says_what_it_lacks() {
    let workshop = Workshop::new();
    for (flags, error) in [
        (&["-Dngx_modules=other"][..], ListingError::Missing("ngx_modules")),
        (&["-Dngx_module_names=other"], ListingError::Missing("ngx_module_names")),
        (
            &["-DSIGNATURE=((char*)0x7fffffff)"],
            ListingError::Unreadable("the signature of module 0".to_owned()),
        ),
    ] {
        assert_eq!(Listing::parse(&workshop.module(flags)), Err(error), "{flags:?}");
    }
    assert_eq!(Listing::parse(&workshop.module(&["-DEMPTY"])), Ok(Listing { modules: Vec::new() }));
    assert_eq!(Listing::parse(b"#!/bin/sh\n"), Err(ListingError::Missing("ngx_modules")));
}

#[test]
fn each_mismatch_has_its_code_and_its_sentence() {
    let workshop = Workshop::new();
    let nginx = workshop.nginx(&[]);
    let own = Listing::parse(&nginx).unwrap();
    let mut host = HostReader::open("/".as_ref(), "here", ElfFacts::parse(&nginx).unwrap()).unwrap();
    for (flags, code, says) in [
        (&[][..], None, ""),
        (&["-DNEEDS=ngx_palloc"], None, ""),
        (
            &["-DNEEDS=ngx_nobody_has_this"],
            Some("nginx.symbol"),
            "it needs ngx_nobody_has_this, which nginx 1.22.1 of here does not have",
        ),
        (&["-DNEEDS=nobody_has_this"], Some("symbol.undefined"), "nobody_has_this"),
        (&["-Dngx_modules=other"], Some("nginx.no-modules"), "it exports no `ngx_modules`"),
        (&["-DVERSION=1026003"], Some("nginx.version"), "is built for nginx 1.26.3, here has 1.22.1"),
        (
            &["-DSIGNATURE=\"8,4,8,0011111111010111001111111111111110\""],
            Some("nginx.signature"),
            "(--with-compat 0 against 1)",
        ),
        // The digits of another version say nothing.
        (&["-DVERSION=1026003", "-DSIGNATURE=\"8,4,8,0\""], Some("nginx.version"), ""),
        (&["-DNAME=ngx_http_module"], Some("nginx.duplicate"), "has ngx_http_module linked into it"),
        // The list leads to nginx's own module, unless it was bound when the library was linked.
        (&["-DNAME=ngx_http_module", "-DVERSION=1026003"], Some("nginx.duplicate"), ""),
        (&["-DNAME=ngx_http_module", "-DVERSION=1026003", "-Wl,-Bsymbolic"], Some("nginx.version"), ""),
    ] {
        let module = Module::parse(&workshop.module(flags)).unwrap();
        let reasons = judge(&module, &own, host.learn(&module.elf));
        assert_eq!(reasons.first().map(|reason| reason.code.as_str()), code, "{flags:?}: {reasons:?}");
        assert!(reasons.len() < 2, "{flags:?}: {reasons:?}");
        assert!(reasons.iter().all(|reason| reason.text.contains(says)), "{flags:?}: {reasons:?}");
    }
}

#[test]
fn the_most_fundamental_reason_comes_first_and_another_platform_is_the_only_one() {
    let workshop = Workshop::new();
    let nginx = workshop.nginx(&[]);
    let own = Listing::parse(&nginx).unwrap();
    let mut host = HostReader::open("/".as_ref(), "here", ElfFacts::parse(&nginx).unwrap()).unwrap();
    let mut file = workshop.module(&["-DNEEDS=ngx_nobody_has_this", "-DVERSION=1026003"]);
    let mut codes = |file: &[u8]| -> Vec<&str> {
        let module = Module::parse(file).unwrap();
        judge(&module, &own, host.learn(&module.elf)).iter().map(|reason| reason.code.as_str()).collect()
    };
    assert_eq!(codes(&file), ["nginx.symbol", "nginx.version"]);
    // e_machine: no processor that anybody has.
    file[18] = 250;
    assert_eq!(codes(&file), ["elf.machine"]);

    let reasons = judge_unreadable(&Module::parse(&file[..1000]).unwrap_err());
    assert_eq!(reasons[0].code, Code::Loader(plugin_compat::Code::ElfTruncated));
}

#[test]
fn no_cut_makes_a_panic() {
    let file = Workshop::new().module(&[]);
    for length in 0..file.len() {
        let _ = Listing::parse(&file[..length]);
    }
}

proptest! {
    #[test]
    fn no_garbling_makes_a_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        thread_local!(static FILE: Vec<u8> = Workshop::new().module(&[]));
        let mut file = FILE.with(Clone::clone);
        for (at, byte) in changes {
            *at.get_mut(&mut file) = byte;
        }
        let _ = Listing::parse(&file);
    }
}
