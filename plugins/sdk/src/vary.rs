//! The field `vary`: which fields of the request a response depends on. RFC 9110, section 12.5.5.

/// The values of `vary` that are there and `names`, as one value; `None` if all names are covered already.
pub(crate) fn extended<'a>(present: impl Iterator<Item = &'a [u8]>, names: &[&str]) -> Option<Vec<u8>> {
    let mut members: Vec<&[u8]> = present
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(trimmed)
        .filter(|member| !member.is_empty())
        .collect();
    let known = members.len();
    // It depends on everything: nothing can be added to that.
    if members.contains(&b"*".as_slice()) {
        return None;
    }
    for name in names {
        if !members.iter().any(|member| member.eq_ignore_ascii_case(name.as_bytes())) {
            members.push(name.as_bytes());
        }
    }
    (members.len() > known).then(|| members.join(b", ".as_slice()))
}

/// Without the whitespace that HTTP allows around members of a list.
fn trimmed(mut member: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = member {
        member = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = member {
        member = rest;
    }
    member
}

#[cfg(test)]
mod tests {
    use super::extended;

    #[test]
    fn names_are_added_once() {
        let cases: [(&[&str], &[&str], Option<&str>); 7] = [
            (&[], &["Origin"], Some("Origin")),
            (&["Accept-Encoding"], &["Origin"], Some("Accept-Encoding, Origin")),
            (&["a ,\tb", "", ",c,"], &["B", "d", "D"], Some("a, b, c, d")),
            (&["origin"], &["Origin"], None),
            (&["a, *"], &["Origin"], None),
            (&["a"], &[], None),
            (&[], &[], None),
        ];
        for (present, names, expected) in cases {
            let found = extended(present.iter().map(|value| value.as_bytes()), names);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{present:?} {names:?}");
        }
    }
}
