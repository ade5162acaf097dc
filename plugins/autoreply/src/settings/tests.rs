use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
    Settings::read(&|name| {
        pairs
            .iter()
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
            .collect()
    })
}

#[test]
fn nothing_set_means_a_week_and_no_text() {
    let settings = read(&[]).unwrap();
    assert_eq!(settings.window_ms(), 168 * HOUR_MS);
    assert_eq!((settings.echo, settings.text.clone()), (false, None));
    assert_eq!(settings.check_date(0), Ok(()));
}

#[test]
fn a_time_out_of_zero_is_an_hour() {
    assert_eq!(
        read(&[("mailAutoReplyTimeOut", "0")]).unwrap().window_ms(),
        HOUR_MS
    );
    assert_eq!(
        read(&[("mailAutoReplyTimeOut", "2")]).unwrap().window_ms(),
        2 * HOUR_MS
    );
}

#[test]
fn dates_bound_the_time_away() {
    let settings = read(&[
        ("vacationStartDate", "20260701000000Z"),
        ("vacationEndDate", "2026-07-15T00:00:00Z"),
    ])
    .unwrap();
    let day = |text: &str| dates::parse(text).unwrap();
    assert!(settings.check_date(day("2026-06-30")).is_err());
    assert!(settings.check_date(day("2026-07-01")).is_ok());
    assert!(settings.check_date(day("2026-07-14")).is_ok());
    assert!(settings.check_date(day("2026-07-15")).is_err());
}

#[test]
fn a_value_without_meaning_is_an_error() {
    for (name, value) in [
        ("mailAutoReplyMode", "shout"),
        ("mailAutoReplyTimeOut", "soon"),
        ("vacationStartDate", "next week"),
        ("vacationEndDate", "20261301000000Z"),
    ] {
        assert!(read(&[(name, value)]).is_err(), "{name}={value}");
    }
}
