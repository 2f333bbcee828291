//! What a compiler of C makes: plugins of one source file.

use anyhow::{Result, bail};

use super::{Bench, Contents, Job, key};
use crate::build::{inside, read};
use crate::lab::{Arch, Compiler, Libc, Profile, Target};

/// With which every source is compiled.
pub(super) const FLAGS: [&str; 7] =
    ["-c", "-std=c11", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"];

/// Builds `jobs`, all of which are plugins.
pub(super) fn build(bench: &Bench<'_>, jobs: &[&Job<'_>], on_built: &(dyn Fn() + Sync)) -> Result<Contents> {
    let mut contents = Contents::new();
    for job in jobs {
        let Some(plugin) = &job.plugin else { bail!("{:?} is no plugin", job.name) };
        let room = bench.room(bench.repository(), &job.target.triple)?;
        let place = |extension: &str| format!("{}/{}.{extension}", inside::BUILD, job.name);
        let mut argv = driver(bench.compiler, job.target)?;
        let optimised: &[&str] = match plugin.profile {
            Profile::Debug => &["-O0", "-g"],
            Profile::Release => &["-O2"],
        };
        argv.extend(FLAGS.map(str::to_owned));
        argv.extend(optimised.iter().map(|&flag| flag.to_owned()));
        argv.push(format!("-I{}/plugins/abi/include", inside::SOURCES));
        argv.push(format!("-DDYNLAB_SOURCE_DIGEST=\"{}\"", job.source_digest));
        argv.extend([format!("{}/{}", inside::SOURCES, plugin.source()?), "-o".to_owned(), place("o")]);
        room.run(&argv, Vec::new(), None)?;
        let linker = format!("/opt/dynlab/bin/{}-cc", job.target.triple);
        let argv = [linker, "-shared".to_owned(), place("o"), "-o".to_owned(), place("so")];
        room.run(&argv, Vec::new(), None)?;
        let product = bench.folder.join(&job.target.triple).join(format!("{}.so", job.name));
        contents.insert(key(job), read(&product)?);
        on_built();
    }
    Ok(contents)
}

/// The compiler and the flags with which it compiles for `target`. Headers of glibc are those of its image, headers of musl zig's.
fn driver(compiler: &Compiler, target: &Target) -> Result<Vec<String>> {
    let Target { arch, libc, .. } = target;
    let mut argv = match (compiler.name.split('-').next(), arch) {
        (Some("gcc"), Arch::X86_64) => vec!["/usr/bin/gcc".to_owned()],
        (Some("gcc"), Arch::Aarch64) => vec!["/usr/bin/aarch64-linux-gnu-gcc".to_owned()],
        (Some("clang"), _) => {
            vec![format!("/usr/bin/{}", compiler.name), format!("--target={arch}-linux-{libc}")]
        }
        _ => {
            bail!("compiler {:?} is neither gcc nor clang; {} has to know its flags", compiler.name, file!())
        }
    };
    let include = |folder: String| ["-isystem".to_owned(), folder];
    match (libc, arch) {
        (Libc::Musl, _) => {
            argv.push("-nostdinc".to_owned());
            for headers in [format!("{arch}-linux-musl"), "generic-musl".to_owned()] {
                argv.extend(include(format!("/opt/zig/lib/libc/include/{headers}")));
            }
        }
        // clang does not know where Debian has what it compiles for other machines.
        (Libc::Gnu, Arch::Aarch64) => argv.extend(include("/usr/aarch64-linux-gnu/include".to_owned())),
        (Libc::Gnu, Arch::X86_64) => {}
    }
    Ok(argv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Lab;

    #[test]
    fn each_libc_has_its_own_headers() {
        let lab = Lab::read(&crate::paths::repository().unwrap()).unwrap();
        let command = |compiler: &str, triple: &str| {
            let compiler = lab.compilers.iter().find(|one| one.name == compiler).unwrap();
            let target = lab.targets.iter().find(|one| one.triple == triple).unwrap();
            driver(compiler, target).map(|argv| argv.join(" "))
        };
        assert_eq!(command("gcc-14", "x86_64-unknown-linux-gnu").unwrap(), "/usr/bin/gcc");
        assert_eq!(
            command("clang-19", "aarch64-unknown-linux-musl").unwrap(),
            "/usr/bin/clang-19 --target=aarch64-linux-musl -nostdinc -isystem /opt/zig/lib/libc/include/aarch64-linux-musl \
             -isystem /opt/zig/lib/libc/include/generic-musl"
        );
        assert_eq!(
            command("gcc-14", "aarch64-unknown-linux-gnu").unwrap(),
            "/usr/bin/aarch64-linux-gnu-gcc -isystem /usr/aarch64-linux-gnu/include"
        );
        let error = command("rustc-1.85", "x86_64-unknown-linux-gnu").unwrap_err().to_string();
        assert!(error.contains("neither gcc nor clang"), "{error}");
    }
}
