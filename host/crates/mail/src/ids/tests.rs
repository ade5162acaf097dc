use super::{DomainId, EmailId, EnvelopeId, PersonId};

#[test]
fn text_form_is_read_back() {
    for number in [0, 1, 0xff, u64::MAX] {
        assert_eq!(DomainId(number).to_string().parse(), Ok(DomainId(number)));
        assert_eq!(EmailId(number).to_string().parse(), Ok(EmailId(number)));
    }
    assert_eq!(EnvelopeId(0x2a).to_string(), "q2a");
}

#[test]
fn one_kind_is_not_another() {
    assert!(DomainId(7).to_string().parse::<PersonId>().is_err());
    for text in ["", "d", "dg", "d10000000000000000", "d-1", "7"] {
        assert!(text.parse::<DomainId>().is_err(), "{text}");
    }
}
