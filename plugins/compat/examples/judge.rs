//! Judges files against a root file system: `judge ROOT NAME PROGRAM FILE…`

use std::error::Error;
use std::fs;

use plugin_compat::{ElfFacts, HostReader, Policy, judge, judge_unreadable};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, name, program, files @ ..] = &arguments[..] else {
        return Err("usage: judge ROOT NAME PROGRAM FILE…".into());
    };
    let program = ElfFacts::parse(&fs::read(program)?)?;
    let mut host = HostReader::open(root.as_ref(), name, program)?;
    println!("host {name}: {}", host.facts().libc_name());
    for file in files {
        let verdict = match ElfFacts::parse(&fs::read(file)?) {
            Ok(plugin) => judge(&plugin, host.learn(&plugin), &Policy::any_kind()),
            Err(error) => judge_unreadable(&error),
        };
        println!("{file}: {}", if verdict.loadable { "loads" } else { "refused" });
        for reason in &verdict.reasons {
            println!("  {reason}");
        }
        for remark in &verdict.remarks {
            println!("  (remark: {remark})");
        }
    }
    Ok(())
}
