//! The ELF header: what kind of machine and file the rest is for.

use std::fmt;

use goblin::elf::header as e;
use serde::{Deserialize, Serialize};

use super::ElfError;

/// Word size, `e_ident[EI_CLASS]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Class {
    /// ELFCLASS32.
    Bits32,
    /// ELFCLASS64.
    Bits64,
    /// Any other value.
    Unknown(u8),
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits32 => f.write_str("32-bit"),
            Self::Bits64 => f.write_str("64-bit"),
            Self::Unknown(value) => write!(f, "of unknown class {value}"),
        }
    }
}

/// Byte order, `e_ident[EI_DATA]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Endianness {
    /// ELFDATA2LSB.
    Little,
    /// ELFDATA2MSB.
    Big,
    /// Any other value.
    Unknown(u8),
}

impl fmt::Display for Endianness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Little => f.write_str("little-endian"),
            Self::Big => f.write_str("big-endian"),
            Self::Unknown(value) => write!(f, "of unknown byte order {value}"),
        }
    }
}

/// Processor architecture, `e_machine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Machine {
    /// EM_X86_64 (x32 has this machine too, with 32-bit class).
    #[serde(rename = "x86_64")]
    X86_64,
    /// EM_AARCH64.
    Aarch64,
    /// EM_386.
    X86,
    /// EM_ARM.
    Arm,
    /// EM_RISCV.
    RiscV,
    /// EM_PPC64.
    PowerPc64,
    /// EM_S390.
    S390,
    /// EM_LOONGARCH.
    LoongArch,
    /// EM_MIPS.
    Mips,
    /// Any other value.
    Other(u16),
}

impl Machine {
    fn from_elf(value: u16) -> Self {
        match value {
            e::EM_X86_64 => Self::X86_64,
            e::EM_AARCH64 => Self::Aarch64,
            e::EM_386 => Self::X86,
            e::EM_ARM => Self::Arm,
            e::EM_RISCV => Self::RiscV,
            e::EM_PPC64 => Self::PowerPc64,
            e::EM_S390 => Self::S390,
            e::EM_MIPS => Self::Mips,
            258 => Self::LoongArch,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::X86 => "i386",
            Self::Arm => "arm",
            Self::RiscV => "riscv",
            Self::PowerPc64 => "powerpc64",
            Self::S390 => "s390x",
            Self::LoongArch => "loongarch",
            Self::Mips => "mips",
            Self::Other(value) => {
                return match rare_machine(*value) {
                    Some(name) => write!(f, "{name} (machine {value})"),
                    None => write!(f, "machine {value}"),
                };
            }
        })
    }
}

/// Names of machines that no host here is, so that a file for one of them can be called what it is. The numbers are the registry's of the gABI.
fn rare_machine(value: u16) -> Option<&'static str> {
    let name = match value {
        e::EM_SPARC | e::EM_SPARC32PLUS => "sparc",
        e::EM_SPARCV9 => "sparc64",
        e::EM_68K => "m68k",
        e::EM_PARISC => "parisc",
        e::EM_PPC => "powerpc",
        e::EM_SH => "sh",
        e::EM_IA_64 => "ia64",
        ALPHA_IN_USE => "alpha",
        e::EM_AVR => "avr",
        e::EM_XTENSA => "xtensa",
        e::EM_MICROBLAZE => "microblaze",
        e::EM_QDSP6 => "hexagon",
        e::EM_CUDA => "cuda",
        e::EM_AMDGPU => "amdgpu",
        e::EM_BPF => "bpf",
        e::EM_OPENRISC => "openrisc",
        e::EM_CSKY => "csky",
        _ => return None,
    };
    Some(name)
}

/// The number that files for Alpha have, which was never registered.
const ALPHA_IN_USE: u16 = 0x9026;

/// What the file is for, `e_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ObjectType {
    /// ET_REL: compiler output that was never linked (`.o`).
    Relocatable,
    /// ET_EXEC: an executable for a fixed address.
    Executable,
    /// ET_DYN: a shared object or a position-independent executable.
    Shared,
    /// ET_CORE: the memory of a process that crashed.
    Core,
    /// Any other value.
    Other(u16),
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relocatable => "a relocatable object (.o), not linked yet",
            Self::Executable => "an executable for a fixed address",
            Self::Shared => "a shared object",
            Self::Core => "a core dump",
            Self::Other(value) => return write!(f, "an object of unknown type {value}"),
        })
    }
}

/// The identifying part of the ELF header, read in any class and byte order.
pub(super) struct Identification {
    pub(super) class: Class,
    pub(super) endianness: Endianness,
    pub(super) machine: Machine,
    pub(super) object_type: ObjectType,
    pub(super) os_abi: u8,
    pub(super) abi_version: u8,
    pub(super) flaw: Option<&'static str>,
}

/// Reads what every ELF header has at the same place whatever its class: the identification, type and machine.
pub(super) fn identify(bytes: &[u8]) -> Result<Identification, ElfError> {
    const COMMON_TO_BOTH_CLASSES: usize = 20;
    let Some(start) = bytes.get(..COMMON_TO_BOTH_CLASSES) else {
        return Err(ElfError::Truncated {
            part: "the ELF header",
            needs: COMMON_TO_BOTH_CLASSES as u64,
            has: bytes.len() as u64,
        });
    };
    let endianness = match start[e::EI_DATA] {
        e::ELFDATA2LSB => Endianness::Little,
        e::ELFDATA2MSB => Endianness::Big,
        other => Endianness::Unknown(other),
    };
    let half = |at: usize| {
        let pair = [start[at], start[at + 1]];
        if endianness == Endianness::Big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    };
    Ok(Identification {
        class: match start[e::EI_CLASS] {
            e::ELFCLASS32 => Class::Bits32,
            e::ELFCLASS64 => Class::Bits64,
            other => Class::Unknown(other),
        },
        endianness,
        object_type: match half(16) {
            e::ET_REL => ObjectType::Relocatable,
            e::ET_EXEC => ObjectType::Executable,
            e::ET_DYN => ObjectType::Shared,
            e::ET_CORE => ObjectType::Core,
            other => ObjectType::Other(other),
        },
        machine: Machine::from_elf(half(18)),
        os_abi: start[e::EI_OSABI],
        abi_version: start[e::EI_ABIVERSION],
        flaw: flaw(start),
    })
}

/// What is unusual in the bytes that never vary.
fn flaw(start: &[u8]) -> Option<&'static str> {
    if start[e::EI_VERSION] != e::EV_CURRENT {
        return Some("the version in its identification is not 1");
    }
    let reserved = &start[e::EI_ABIVERSION + 1..e::SIZEOF_IDENT];
    reserved.iter().any(|byte| *byte != 0).then_some("reserved bytes of its identification are not zero")
}
