use super::{Error, MANIFEST_BYTES, componentize, with_manifest};

/// An empty component and an empty core module: magic, then version and layer.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

#[test]
fn the_manifest_is_appended_byte_for_byte() {
    let manifest = "name = \"probe\" # with a comment\n";
    let made = with_manifest(COMPONENT.to_vec(), manifest).unwrap();
    let mut expected = COMPONENT.to_vec();
    expected.push(0); // section id of a custom section
    expected.push(u8::try_from(1 + 17 + manifest.len()).unwrap());
    expected.push(17);
    expected.extend(b"postroom:manifest");
    expected.extend(manifest.as_bytes());
    assert_eq!(made, expected);
}

#[test]
fn an_empty_module_becomes_a_component() {
    let made = componentize(MODULE, "").unwrap();
    assert_eq!(&made[..8], COMPONENT);
    assert_eq!(made, componentize(MODULE, "").unwrap());
}

#[test]
fn what_is_no_module_is_refused() {
    for bytes in [&b""[..], b"MZ", COMPONENT, &MODULE[..6]] {
        assert!(
            matches!(componentize(bytes, ""), Err(Error::Module(_))),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_bad_manifest_is_refused() {
    assert!(matches!(
        with_manifest(COMPONENT.to_vec(), "name ="),
        Err(Error::Manifest(_))
    ));
    let large = format!("a = \"{}\"", "x".repeat(MANIFEST_BYTES));
    assert!(matches!(
        with_manifest(COMPONENT.to_vec(), &large),
        Err(Error::ManifestTooLarge(_))
    ));
}
