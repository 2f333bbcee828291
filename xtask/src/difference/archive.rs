//! Archives of any format: what their members are called, what stands beside them, and what is in them.

use std::collections::BTreeSet;

use super::{Cause, Difference, Pair, Trace, cause, look};

/// One member of an archive.
pub(super) struct Member {
    /// Its name, or path.
    pub(super) name: String,
    /// What the archive says of it: the name of the field, its value, and what that is a trace of when it differs.
    pub(super) fields: Vec<(&'static str, String, Option<Trace>)>,
    /// All of it.
    pub(super) content: Vec<u8>,
}

/// The difference of two archives, whose members `read` lists; `None` if one cannot be read, or if nothing of what it lists differs.
pub(super) fn difference(pair: Pair<'_>, read: fn(&[u8]) -> Option<Vec<Member>>) -> Option<Difference> {
    let (first, second) = (read(pair.first)?, read(pair.second)?);
    if let Some(found) = other_members(&first, &second) {
        return Some(found);
    }
    let mut pairs: Vec<(&Member, &Member)> = first.iter().zip(&second).collect();
    // Lists of digests and the like differ because of what they list.
    pairs.sort_by_key(|(one, _)| one.name.ends_with(".json"));
    let found = pairs.into_iter().flat_map(|(one, other)| of_member(pair, one, other));
    Difference::choose(found.collect())
}

fn of_member(pair: Pair<'_>, one: &Member, other: &Member) -> Vec<Difference> {
    let mut found = Vec::new();
    for ((name, first, trace), (_, second, _)) in one.fields.iter().zip(&other.fields) {
        if first != second {
            let cause = trace.map(|trace| cause::of_field(trace, name));
            found.push(Difference::at((*name).to_owned(), first.clone(), second.clone(), cause));
        }
    }
    if one.content != other.content {
        found.push(look(Pair { first: &one.content, second: &other.content, ..pair }));
    }
    found.into_iter().map(|one_of| one_of.within(format!("member {}", one.name))).collect()
}

/// The first place in the list of members where the archives have different ones.
fn other_members(first: &[Member], second: &[Member]) -> Option<Difference> {
    let at = (0..first.len().max(second.len())).find(|&at| {
        let kind = |members: &[Member]| members.get(at).map(|member| without_digests(&member.name));
        kind(first) != kind(second)
    })?;
    let name = |members: &[Member]| {
        members.get(at).map_or("the end".to_owned(), |member| format!("{:?}", member.name))
    };
    let names =
        |members: &[Member]| members.iter().map(|member| member.name.clone()).collect::<BTreeSet<_>>();
    let is_shuffled = first.len() == second.len() && names(first) == names(second);
    let cause = is_shuffled.then(|| Cause::new(Trace::Order, "the same members in another order"));
    Some(Difference::at(format!("member number {at}"), name(first), name(second), cause))
}

/// A name without the SHA-256 sums in it, which differ because of what they are sums of.
fn without_digests(name: &str) -> String {
    const LENGTH: usize = 64;
    let is_digest = |part: &str| part.len() == LENGTH && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.split_inclusive(['/', '.', '-', ':'])
        .map(|part| {
            let (stem, end) = part.split_at(part.trim_end_matches(['/', '.', '-', ':']).len());
            if is_digest(stem) { format!("#{end}") } else { part.to_owned() }
        })
        .collect()
}
