use super::*;

fn settings(text: &str) -> Settings {
    let config = Config::parse(text).expect(text);
    Settings::new(config).expect(text)
}

#[test]
fn what_can_change_changes_and_what_cannot_is_named() {
    let before = settings("hostname = 'a.test'\n[limits]\nrecipients = 200");
    let wanted = "hostname = 'b.test'\ntrusted_networks = ['192.0.2.0/24']\n\
                  [listen]\nsmtp = ['127.0.0.1:26']\n[limits]\nrecipients = 300\ndisk_reserve_percent = 7\n\
                  [[route]]\ndomain = '*'\nchannel = 'smtp'\nhost = 'hub.test:25'";
    let wanted = Config::parse(wanted).expect("a valid file");
    let (after, fixed) = before.next(wanted).expect("usable values");
    assert_eq!(fixed, ["hostname", "listen", "limits.disk_reserve"]);
    assert_eq!(after.config.hostname, "a.test");
    assert_eq!(after.config.listen, before.config.listen);
    assert_eq!(after.config.limits.disk_reserve_percent, 5);
    assert_eq!(after.config.limits.recipients, 300);
    assert_eq!(after.trusted.len(), 1);
    assert_eq!(after.config.route.len(), 1);
}

#[test]
fn an_offset_of_the_command_line_is_no_change() {
    let mut before = settings("");
    before.config.listen.port_offset = 10_000;
    let (after, fixed) = before
        .next(Config::parse("").expect("empty"))
        .expect("usable");
    assert!(fixed.is_empty(), "{fixed:?}");
    assert_eq!(after.config.listen.port_offset, 10_000);
}

#[test]
fn a_reader_keeps_what_it_took() {
    let live = LiveSettings::new(settings("[limits]\nrecipients = 200"));
    let taken = live.now();
    live.swap(settings("[limits]\nrecipients = 300"));
    assert_eq!(taken.config.limits.recipients, 200);
    assert_eq!(live.now().config.limits.recipients, 300);
}
