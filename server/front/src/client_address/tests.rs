use hyper::header::HeaderValue;
use proptest::prelude::*;

use super::*;

const PEER: &str = "10.0.0.1:4711";

fn proxies(field: ForwardedField) -> TrustedProxies {
    let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
    TrustedProxies::new(networks.to_vec(), field)
}

fn client(field: ForwardedField, peer: &str, lines: &[&[u8]]) -> String {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(field.name(), HeaderValue::from_bytes(line).unwrap());
    }
    let client = proxies(field).client(peer.parse().unwrap(), &headers);
    client.to_string()
}

fn check(field: ForwardedField, lines: &[&str], expected: &str) {
    let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    assert_eq!(client(field, PEER, &bytes), expected, "{lines:?}");
}

#[test]
fn x_forwarded_for_is_read_from_the_right() {
    let cases: [(&[&str], &str); 25] = [
        (&[], PEER),
        (&[""], PEER),
        (&["192.0.2.1"], "192.0.2.1:0"),
        (&["192.0.2.1:80"], "192.0.2.1:80"),
        (&["2001:db8::1"], "[2001:db8::1]:0"),
        (&["[2001:db8::1]"], "[2001:db8::1]:0"),
        (&["[2001:db8::1]:80"], "[2001:db8::1]:80"),
        (&["::ffff:192.0.2.1"], "192.0.2.1:0"),
        // What the client wrote stands on the left.
        (&["6.6.6.6, 192.0.2.1"], "192.0.2.1:0"),
        (&["6.6.6.6", "192.0.2.1"], "192.0.2.1:0"),
        (&["10.9.9.9,192.0.2.1"], "192.0.2.1:0"),
        // Trusted proxies in between.
        (&["6.6.6.6, 192.0.2.1, 10.0.0.2, fd00::1"], "192.0.2.1:0"),
        (&["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1:0"),
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
        (&["192.0.2.1 ,\t, 10.0.0.2 ,"], "192.0.2.1:0"),
        // What cannot be read ends the walk.
        (&["192.0.2.1, unknown"], PEER),
        (&["192.0.2.1, nonsense, 10.0.0.2"], "10.0.0.2:0"),
        (&["192.0.2.256"], PEER),
        (&["192.0.2.1:"], PEER),
        (&["192.0.2.1:65536"], PEER),
        (&["192.0.2.1:+80"], PEER),
        (&["192.0.2.1 10.0.0.2"], PEER),
        (&["[2001:db8::1"], PEER),
        (&["fe80::1%eth0"], PEER),
        (&["\"192.0.2.1\""], PEER),
    ];
    for (lines, expected) in cases {
        check(ForwardedField::XForwardedFor, lines, expected);
    }
}

#[test]
fn forwarded_is_read_as_rfc_7239_has_it() {
    let cases: [(&[&str], &str); 28] = [
        (&["for=192.0.2.1"], "192.0.2.1:0"),
        (&["For=192.0.2.1;proto=http;by=203.0.113.43"], "192.0.2.1:0"),
        (&["proto=http; FOR=192.0.2.1;;"], "192.0.2.1:0"),
        (&["for = 192.0.2.1"], PEER),
        (&["for=\"192.0.2.1:80\""], "192.0.2.1:80"),
        (&["for=192.0.2.1:80"], "192.0.2.1:80"),
        (&["for=\"[2001:db8:cafe::17]:4711\""], "[2001:db8:cafe::17]:4711"),
        (&["for=\"[2001:db8:cafe::17]\""], "[2001:db8:cafe::17]:0"),
        (&["for=\"192.0.2.1:_gazonk\""], "192.0.2.1:0"),
        (&["for=\"\\192.0.2.1\""], "192.0.2.1:0"),
        (&["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17:0"),
        (&["for=192.0.2.43", "for=10.0.0.2;host=\"a,b;for=6.6.6.6\""], "192.0.2.43:0"),
        (&["for=6.6.6.6;by=\"a\\\",\\\\\", for=192.0.2.1"], "192.0.2.1:0"),
        // A quote that the client left open.
        (&["for=\"6.6.6.6, for=192.0.2.1"], "192.0.2.1:0"),
        (&["for=6.6.6.6;by=\"\\, for=\"[2001:db8::1]\""], "[2001:db8::1]:0"),
        // What is hidden or cannot be read ends the walk.
        (&["for=192.0.2.1, for=unknown"], PEER),
        (&["for=192.0.2.1, for=_hidden, for=10.0.0.2"], "10.0.0.2:0"),
        (&["for=192.0.2.1, proto=http"], PEER),
        (&["for=192.0.2.1;for=10.0.0.2"], PEER),
        (&["for=\"192.0.2.1"], PEER),
        (&["for=\"192.0.2.1\"x"], PEER),
        (&["for=\"\""], PEER),
        (&["for"], PEER),
        (&["192.0.2.1"], PEER),
        (&["for=\"[2001:db8::1]:_\""], PEER),
        (&["for=\"[2001:db8::1]x\""], PEER),
        (&["for=2001:db8::1"], "[2001:db8::1]:0"),
        (&["for=\"[192.0.2.1]\""], PEER),
    ];
    for (lines, expected) in cases {
        check(ForwardedField::Forwarded, lines, expected);
    }
}

#[test]
fn nobody_else_is_believed() {
    for peer in ["192.0.2.9:1", "[2001:db8::9]:1", "127.0.0.1:1"] {
        for field in [ForwardedField::XForwardedFor, ForwardedField::Forwarded] {
            assert_eq!(client(field, peer, &[b"6.6.6.6", b"for=6.6.6.6"]), peer);
        }
    }
    // The same proxy, seen by a socket that listens on IPv6.
    let mapped = "[::ffff:10.0.0.1]:1";
    assert_eq!(client(ForwardedField::XForwardedFor, mapped, &[b"192.0.2.1"]), "192.0.2.1:0");
}

#[test]
fn the_other_field_is_not_read() {
    let mut headers = HeaderMap::new();
    headers.append(FORWARDED, HeaderValue::from_static("for=6.6.6.6"));
    let client = proxies(ForwardedField::XForwardedFor).client(PEER.parse().unwrap(), &headers);
    assert_eq!(client.to_string(), PEER);
}

proptest! {
    /// A client that may write anything in front gains nothing over one that writes nothing.
    #[test]
    fn what_a_client_writes_changes_nothing(
        written in proptest::collection::vec("[ -~]{0,40}|(for=)?\"?[0-9.,:;\"\\\\]{0,30}", 0..3),
        same_line in any::<bool>(),
    ) {
        for (field, appended) in [
            (ForwardedField::XForwardedFor, "192.0.2.1"),
            (ForwardedField::XForwardedFor, "[2001:db8::1]:80, 10.0.0.2"),
            (ForwardedField::Forwarded, "for=192.0.2.1"),
            (ForwardedField::Forwarded, "for=\"[2001:db8::1]:80\";by=\"a\\\"b\", for=10.0.0.2"),
        ] {
            let alone = client(field, PEER, &[appended.as_bytes()]);
            let mut lines: Vec<String> = written.clone();
            match lines.last_mut() {
                Some(last) if same_line => *last = format!("{last}, {appended}"),
                _ => lines.push(appended.to_owned()),
            }
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            prop_assert_eq!(client(field, PEER, &lines), alone);
        }
    }

    /// No bytes make it fail, and without trust they make no difference.
    #[test]
    fn any_bytes_are_read(line in proptest::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..], 0..200)) {
        for field in [ForwardedField::XForwardedFor, ForwardedField::Forwarded] {
            let _ = client(field, PEER, &[&line]);
            prop_assert_eq!(client(field, "192.0.2.9:1", &[&line]), "192.0.2.9:1");
        }
    }
}
