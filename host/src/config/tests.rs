use super::*;

#[test]
fn an_empty_file_is_all_defaults() {
    let config = Config::parse("").expect("an empty file is valid");
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.limits.message_bytes, 50 * 1024 * 1024);
    assert_eq!(
        config.limits.retry_seconds,
        [60, 300, 900, 1800, 3600, 7200]
    );
}

#[test]
fn unknown_keys_name_the_nearest_valid_one() {
    let cases = [
        (
            "hostnam = 'a.test'",
            "unknown key 'hostnam': did you mean 'hostname'?",
        ),
        (
            "[limits]\nmesage_bytes = 1",
            "unknown key 'limits.mesage_bytes': did you mean 'message_bytes'?",
        ),
        (
            "[tls]\ncertficate = 'x'",
            "unknown key 'tls.certficate': did you mean 'certificate'?",
        ),
        (
            "[[program]]\nlable = 'x'",
            "unknown key 'program.lable': did you mean 'label'?",
        ),
        (
            "[directory]\nbind_pasword_file = 'x'",
            "unknown key 'directory.bind_pasword_file': did you mean 'bind_password_file'?",
        ),
        (
            "[directory.attributes]\nmails = 'x'",
            "unknown key 'directory.attributes.mails': did you mean 'mail'?",
        ),
        (
            "[login]\ndefault_domian = 'x'",
            "unknown key 'login.default_domian': did you mean 'default_domain'?",
        ),
    ];
    for (text, expected) in cases {
        let error = Config::parse(text).expect_err(text);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn impossible_values_are_refused_with_a_reason() {
    let cases = [
        ("hostname = 'a b'", "is not a host name"),
        ("trusted_networks = ['10.0.0.0/33']", "at most 32 bits"),
        ("trusted_networks = ['x']", "is not a network"),
        ("[tls]\ncertificate = 'x'", "go together"),
        (
            "[store]\ncollect_dead_percent = 95",
            "store.collect_dead_percent",
        ),
        (
            "[store]\ncollect_bytes_per_second = 5",
            "store.collect_bytes_per_second",
        ),
        ("[directory]\nkind = 'ldap'", "directory.url"),
        ("[directory]\nurl = 'ldap://a.test'", "kind = \"ldap\""),
        ("[directory]\nkind = 'nis'", "`embedded` or `ldap`"),
        (
            "[directory]\nkind = 'ldap'\nurl = 'ldap://a.test'",
            "directory.base",
        ),
        (
            "[directory]\nkind = 'ldap'\nurl = 'ldap://a.test'\nbase = 'o=a'\nbind_dn = 'cn=a'",
            "go together",
        ),
        (
            "[directory]\nkind = 'ldap'\nurl = 'ldaps://a.test'\nbase = 'o=a'\nstart_tls = true",
            "encrypted from its first byte",
        ),
        (
            "[directory]\nkind = 'ldap'\nurl = 'ldap://a.test'\nbase = 'o=a'\n[directory.attributes]\nmail = 'a)(b'",
            "is not the name of an attribute",
        ),
        ("[limits]\nrecipients = 1", "at least 100"),
        ("[limits]\nretry_seconds = []", "at least one pause"),
        (
            "[[program]]\nlabel = 'x'\npath = 'relative'",
            "must be absolute",
        ),
        ("[[program]]\nlabel = 'x y'\npath = '/x'", "letters, digits"),
        ("[[file]]\nlabel = 'x'\npath = '../x'", "beneath"),
        ("[[file]]\nlabel = 'x'\npath = '/x'", "beneath"),
        (
            "[[route]]\ndomain = 'a'\nchannel = 'nowhere'",
            "no channel 'nowhere'",
        ),
        (
            "[[channel]]\nname = 'x'\nkind = 'uucp'",
            "unknown variant `uucp`",
        ),
        ("[[channel]]\nname = 'x'\nkind = 'relay'", "needs `host`"),
        (
            "[[channel]]\nname = 'x'\nhost = '/run/lmtp'",
            "only `lmtp` goes to a Unix socket",
        ),
        (
            "[[channel]]\nname = 'x'\nkind = 'relay'\nhost = 'h'\nuser = 'u'",
            "go together",
        ),
        (
            "[[channel]]\nname = 'x'\nkind = 'relay'\nhost = 'h'\nuser = 'u'\npassword_file = 'f'\ntls = 'none'",
            "would go in plain text",
        ),
        (
            "[[channel]]\nname = 'x'\n[[channel]]\nname = 'x'",
            "is there twice",
        ),
        (
            "[[route]]\ndomain = 'a'\nchannel = 'smtp'\nhost = 'a b'",
            "is not a host",
        ),
        ("postmaster = 'nobody'", "no '@'"),
    ];
    for (text, expected) in cases {
        let error = format!("{:#}", Config::parse(text).expect_err(text));
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_tie_between_routes_is_an_error_that_names_both() {
    let text = "[[channel]]\nname='hub'\n[[route]]\ndomain='a.test'\nchannel='smtp'\n[[route]]\ndomain='A.test'\nchannel='hub'";
    let error = Config::parse(text).expect_err("a tie").to_string();
    for part in ["'A.test'", "'smtp'", "'hub'"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_channel_has_the_port_and_the_tls_of_its_kind() {
    for (keys, port, tls, verified) in [
        ("kind='smtp'", 25, ChannelTls::Opportunistic, false),
        ("kind='lmtp'", 24, ChannelTls::None, false),
        ("kind='relay'", 587, ChannelTls::Starttls, true),
        ("kind='relay'\ntls='tls'", 465, ChannelTls::Tls, true),
        (
            "kind='relay'\ntls='tls'\nverify=false",
            465,
            ChannelTls::Tls,
            false,
        ),
        (
            "kind='relay'\ntls='opportunistic'",
            587,
            ChannelTls::Opportunistic,
            false,
        ),
    ] {
        let text = format!("[[channel]]\nname='x'\nhost='hub.test'\n{keys}");
        let channel = Config::parse(&text).expect(keys).channel.remove(0);
        let host = channel.host_with_port("hub.test").expect("a host");
        assert_eq!(
            (host.port, channel.tls(), channel.is_verified()),
            (port, tls, verified),
            "{keys}"
        );
        let host = channel.host_with_port("hub.test:2525").expect("a host");
        assert_eq!(host.port, 2525);
    }
}

#[test]
fn networks_contain_their_addresses() {
    let cases = [
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("0.0.0.0/0", "198.51.100.1", true),
        ("192.0.2.1", "192.0.2.1", true),
        ("2001:db8::/32", "2001:db8:1::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("192.0.2.0/24", "::ffff:192.0.2.7", true),
        ("::/0", "192.0.2.1", false),
    ];
    for (network, peer, expected) in cases {
        let network = Network::parse(network).expect(network);
        assert_eq!(
            network.contains(peer.parse().expect(peer)),
            expected,
            "{network:?} {peer}"
        );
    }
}
