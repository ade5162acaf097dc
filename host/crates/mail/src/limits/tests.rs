use super::Limits;

#[test]
fn retry_pauses_repeat_the_last() {
    let limits = Limits::default();
    let minutes = [
        (0, 1),
        (1, 1),
        (2, 5),
        (3, 15),
        (4, 30),
        (5, 60),
        (6, 120),
        (7, 120),
        (1000, 120),
    ];
    for (attempts, pause) in minutes {
        assert_eq!(
            limits.retry_pause_seconds(attempts),
            pause * 60,
            "{attempts}"
        );
    }
    let none = Limits {
        retry_seconds: Vec::new(),
        ..limits
    };
    assert_eq!(none.retry_pause_seconds(1), 3600);
}
