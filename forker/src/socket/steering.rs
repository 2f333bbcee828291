//! Which slots of a SO_REUSEPORT group get new connections: a program for the kernel.
//!
//! Without one, the kernel spreads them over all sockets of the group, also over one whose worker is on its way out or does not
//! answer yet. The program is classic BPF (Documentation/networking/filter.rst) and answers with an index into the group
//! (`SO_ATTACH_REUSEPORT_CBPF`, socket(7)), which counts sockets in the order in which they began to listen.

/// One instruction: `struct sock_filter` of linux/filter.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jump_true: u8,
    pub(super) jump_false: u8,
    pub(super) k: u32,
}

// linux/bpf_common.h. A is the accumulator, X the index register, M scratch memory.
const LOAD_WORD: u16 = 0x20; // A = word at k
const LOAD_WORD_INDIRECT: u16 = 0x40; // A = word at X + k
const LOAD_BYTE: u16 = 0x30; // A = byte at k
const LOAD_X_SCRATCH: u16 = 0x61; // X = M[k]
const LOAD_X_HEADER_LENGTH: u16 = 0xb1; // X = 4 * (byte at k & 15)
const STORE: u16 = 0x02; // M[k] = A
const MULTIPLY: u16 = 0x24; // A *= k
const MODULO: u16 = 0x94; // A %= k
const SHIFT_RIGHT: u16 = 0x74; // A >>= k
const XOR_X: u16 = 0xac; // A ^= X
const JUMP_IF_EQUAL: u16 = 0x15; // A == k
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06; // k
const RETURN_A: u16 = 0x16;

/// `SKF_AD_OFF + SKF_AD_RANDOM` of linux/filter.h: a random number.
const RANDOM: u32 = (-0x1000i32 + 56) as u32;
/// `SKF_NET_OFF`: the packet from its IP header on.
const NETWORK_HEADER: u32 = -0x10_0000i32 as u32;
/// Knuth's multiplicative hash; its upper half depends on every bit of what it multiplies.
const GOLDEN: u32 = 0x9e37_79b1;

/// More do not fit into a program: `BPF_MAXINSNS` is 4096, two for each slot.
pub(super) const MOST_SLOTS: usize = 2000;

/// Spreads new TCP connections over `slots` by chance: the kernel asks once a connection.
pub(super) fn at_random(slots: &[usize]) -> Vec<Instruction> {
    let mut program = vec![plain(LOAD_WORD, RANDOM)];
    program.extend(pick(slots));
    program
}

/// Spreads datagrams over `slots` such that those of one sender's port go to the same one.
pub(super) fn by_sender(slots: &[usize]) -> Vec<Instruction> {
    let header = |offset: u32| NETWORK_HEADER.wrapping_add(offset);
    let ipv6 = [
        // The sender's address, RFC 8200 section 3; without extension headers, ports follow.
        plain(LOAD_WORD, header(8)),
        plain(STORE, 0),
        plain(LOAD_WORD, header(12)),
        plain(LOAD_X_SCRATCH, 0),
        plain(XOR_X, 0),
        plain(STORE, 0),
        plain(LOAD_WORD, header(16)),
        plain(LOAD_X_SCRATCH, 0),
        plain(XOR_X, 0),
        plain(STORE, 0),
        plain(LOAD_WORD, header(20)),
        plain(LOAD_X_SCRATCH, 0),
        plain(XOR_X, 0),
        plain(STORE, 0),
        plain(LOAD_WORD, header(40)),
    ];
    let ipv4 = [
        // The sender's address, RFC 791 section 3.1; options may stand before the ports.
        plain(LOAD_WORD, header(12)),
        plain(STORE, 0),
        plain(LOAD_X_HEADER_LENGTH, header(0)),
        plain(LOAD_WORD_INDIRECT, NETWORK_HEADER),
    ];
    let mut program = vec![
        plain(LOAD_BYTE, header(0)),
        plain(SHIFT_RIGHT, 4),
        Instruction { code: JUMP_IF_EQUAL, jump_true: 0, jump_false: ipv6.len() as u8 + 1, k: 6 },
    ];
    program.extend(ipv6);
    program.push(plain(JUMP, ipv4.len() as u32));
    program.extend(ipv4);
    program.extend([
        plain(LOAD_X_SCRATCH, 0),
        plain(XOR_X, 0),
        plain(MULTIPLY, GOLDEN),
        plain(SHIFT_RIGHT, 16),
    ]);
    program.extend(pick(slots));
    program
}

/// Answers with one of `slots` for the number in A.
fn pick(slots: &[usize]) -> Vec<Instruction> {
    assert!((1..=MOST_SLOTS).contains(&slots.len()), "{} slots", slots.len());
    let mut program = vec![plain(MODULO, slots.len() as u32)];
    if slots.iter().enumerate().all(|(position, &slot)| position == slot) {
        program.push(plain(RETURN_A, 0));
        return program;
    }
    for (position, &slot) in slots.iter().enumerate() {
        program.push(Instruction { code: JUMP_IF_EQUAL, jump_true: 0, jump_false: 1, k: position as u32 });
        program.push(plain(RETURN, slot as u32));
    }
    // Not reached; the kernel wants a return at the end.
    program.push(plain(RETURN, slots[0] as u32));
    program
}

fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, k }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the kernel would do, with `random` and a packet that begins with its IP header.
    fn run(program: &[Instruction], random: u32, packet: &[u8]) -> u32 {
        let (mut a, mut x, mut scratch, mut at) = (0u32, 0u32, [0u32; 16], 0);
        let byte = |k: u32| packet[k.wrapping_sub(NETWORK_HEADER) as usize];
        let word = |k: u32| {
            let start = k.wrapping_sub(NETWORK_HEADER) as usize;
            u32::from_be_bytes(packet[start..start + 4].try_into().unwrap())
        };
        loop {
            let Instruction { code, jump_true, jump_false, k } = program[at];
            at += 1;
            match code {
                LOAD_WORD if k == RANDOM => a = random,
                LOAD_WORD => a = word(k),
                LOAD_WORD_INDIRECT => a = word(x.wrapping_add(k)),
                LOAD_BYTE => a = byte(k).into(),
                LOAD_X_SCRATCH => x = scratch[k as usize],
                LOAD_X_HEADER_LENGTH => x = 4 * u32::from(byte(k) & 15),
                STORE => scratch[k as usize] = a,
                MULTIPLY => a = a.wrapping_mul(k),
                MODULO => a %= k,
                SHIFT_RIGHT => a >>= k,
                XOR_X => a ^= x,
                JUMP_IF_EQUAL => at += usize::from(if a == k { jump_true } else { jump_false }),
                JUMP => at += k as usize,
                RETURN => return k,
                RETURN_A => return a,
                other => panic!("no instruction {other:#x}"),
            }
        }
    }

    /// IPv4 with `options` words of options, or IPv6, from port `port` of a sender whose address ends in `host`.
    fn packet(v6: bool, options: usize, host: u8, port: u16) -> Vec<u8> {
        let mut packet = vec![0; if v6 { 40 } else { 20 + 4 * options }];
        packet[0] = if v6 { 0x60 } else { 0x45 + options as u8 };
        packet[if v6 { 23 } else { 15 }] = host;
        packet.extend(port.to_be_bytes());
        packet.extend(53u16.to_be_bytes());
        packet
    }

    proptest! {
        #[test]
        fn every_number_leads_to_one_of_the_slots(
            random in any::<u32>(),
            slots in prop::collection::btree_set(0usize..300, 1..200),
        ) {
            let slots: Vec<usize> = slots.into_iter().collect();
            let expected = slots[random as usize % slots.len()];
            prop_assert_eq!(run(&at_random(&slots), random, &[]), expected as u32);
        }

        #[test]
        fn one_sender_is_always_sent_to_the_same_slot(
            v6 in any::<bool>(), options in 0usize..10, host in any::<u8>(), port in any::<u16>(), random in any::<u32>(),
        ) {
            let program = by_sender(&[0, 2, 5]);
            let slot = run(&program, random, &packet(v6, options, host, port));
            prop_assert!([0, 2, 5].contains(&slot));
            prop_assert_eq!(run(&program, !random, &packet(v6, options, host, port)), slot);
        }
    }

    #[test]
    fn senders_are_spread_evenly() {
        for v6 in [false, true] {
            for by_host in [false, true] {
                let mut seen = [0; 4];
                for number in 0..200u8 {
                    let (host, port) = if by_host { (number, 4000) } else { (1, 4000 + u16::from(number)) };
                    seen[run(&by_sender(&[0, 1, 2, 3]), 0, &packet(v6, 0, host, port)) as usize] += 1;
                }
                assert!(seen.iter().all(|&count| (25..=75).contains(&count)), "{v6} {by_host} {seen:?}");
            }
        }
    }

    #[test]
    fn the_largest_program_is_one_that_the_kernel_takes() {
        let backwards: Vec<usize> = (0..MOST_SLOTS).rev().collect();
        assert!(by_sender(&backwards).len() <= 4096);
    }
}
