use super::*;

const HERE: DomainId = DomainId(1);

fn shape(size: usize) -> Arc<Shape> {
    let raw = format!("Subject: {}\r\n\r\nx", "y".repeat(size));
    Arc::new(Shape::of_message(raw.as_bytes()))
}

#[test]
fn a_shape_is_found_by_domain_id_and_depth() {
    let shapes = Shapes::default();
    let header = Shape::of_header(b"Subject: x\r\n\r\n", true).expect("a header");
    shapes.keep(HERE, EmailId(1), Arc::new(header));
    assert!(shapes.find(HERE, EmailId(1), Depth::Header).is_some());
    assert!(shapes.find(HERE, EmailId(1), Depth::Parts).is_none());
    assert!(shapes.find(HERE, EmailId(1), Depth::Bytes).is_none());
    assert!(
        shapes
            .find(DomainId(2), EmailId(1), Depth::Header)
            .is_none()
    );
    // The fuller one takes its place.
    shapes.keep(HERE, EmailId(1), shape(1));
    assert!(shapes.find(HERE, EmailId(1), Depth::Parts).is_some());
    assert_eq!(shapes.kept().uses.len(), 1);
}

#[test]
fn what_was_longest_unused_goes_first_and_the_room_is_kept() {
    let weight = shape(100).weight();
    let shapes = Shapes::with_room(weight * 20);
    for id in 0..20 {
        shapes.keep(HERE, EmailId(id), shape(100));
    }
    assert!(shapes.find(HERE, EmailId(0), Depth::Parts).is_some());
    shapes.keep(HERE, EmailId(20), shape(100));
    assert!(
        shapes.find(HERE, EmailId(0), Depth::Parts).is_some(),
        "used last"
    );
    assert!(shapes.find(HERE, EmailId(1), Depth::Parts).is_none());
    assert_eq!(shapes.kept().taken, weight * 20);
    // A giant is not worth all the others.
    shapes.keep(HERE, EmailId(21), shape(weight * 20));
    assert!(shapes.find(HERE, EmailId(21), Depth::Parts).is_none());
    assert!(shapes.find(HERE, EmailId(20), Depth::Parts).is_some());
}
