//! `judge_module NGINX ROOT MODULE…`: whether each module loads in the nginx that lies in the root file system `ROOT`.

use std::path::Path;
use std::process::ExitCode;

use nginx_compat::{Listing, Module, judge, judge_unreadable};
use plugin_compat::{ElfFacts, HostReader};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [nginx, root, modules @ ..] = &arguments[..] else {
        eprintln!("usage: judge_module NGINX ROOT MODULE…");
        return Ok(ExitCode::from(2));
    };
    let file = std::fs::read(nginx)?;
    let own = Listing::parse(&file)?;
    let mut host = HostReader::open(Path::new(root), "here", ElfFacts::parse(&file)?)?;
    let mut refused = false;
    for file in modules {
        let reasons = match Module::parse(&std::fs::read(file)?) {
            Ok(module) => judge(&module, &own, host.learn(&module.elf)),
            Err(error) => judge_unreadable(&error),
        };
        refused |= !reasons.is_empty();
        println!("{file}: {}", if reasons.is_empty() { "loads" } else { "is refused" });
        for reason in reasons {
            println!("  {}: {}", reason.code, reason.text);
        }
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
