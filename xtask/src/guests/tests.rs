use super::*;

#[test]
fn a_plugin_is_named_by_its_folder() {
    let plugin = Member {
        name: "postroom-plugin-domain-policy".to_owned(),
        folder: "/c/plugins/domain-policy".into(),
    };
    let expected = Guest {
        module: "/t/guest/postroom_plugin_domain_policy.wasm".into(),
        manifest: "/c/plugins/domain-policy/plugin.toml".into(),
        component: "/t/plugins/domain-policy.wasm".into(),
    };
    assert_eq!(
        bundled(&plugin, Path::new("/t/guest"), Path::new("/t")),
        expected
    );
}

#[test]
fn a_hostile_guest_is_named_by_its_source() {
    let expected = Guest {
        module: "/t/guest/examples/memory_bomb.wasm".into(),
        manifest: "/c/examples/memory-bomb.toml".into(),
        component: "/t/fixtures/memory-bomb.wasm".into(),
    };
    assert_eq!(
        hostile(
            Path::new("/c/examples/memory-bomb.rs"),
            Path::new("/t/guest"),
            Path::new("/t")
        ),
        expected
    );
}

#[test]
fn only_components_without_a_source_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["kept.wasm", "gone.wasm", ".stamp"] {
        fs::write(path(name), "").unwrap();
    }
    let kept = Guest {
        module: path("m"),
        manifest: path("p"),
        component: path("kept.wasm"),
    };
    remove_others(folder.path(), &[kept]).unwrap();
    assert_eq!(
        files(folder.path()).unwrap(),
        [path(".stamp"), path("kept.wasm")]
    );
}

#[test]
fn a_component_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("m.wasm"), b"\0asm\x01\0\0\0").unwrap();
    fs::write(path("plugin.toml"), "name = \"probe\"\n").unwrap();
    let guest = Guest {
        module: path("m.wasm"),
        manifest: path("plugin.toml"),
        component: path("out/m.wasm"),
    };
    make(&guest).unwrap();
    let written = || fs::metadata(&guest.component).unwrap().modified().unwrap();
    let first = written();
    make(&guest).unwrap();
    assert_eq!(written(), first);
    assert!(
        fs::read(&guest.component)
            .unwrap()
            .ends_with(b"name = \"probe\"\n")
    );
}
