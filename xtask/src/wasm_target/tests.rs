use super::*;

#[test]
fn a_way_is_read_by_its_name() {
    for way in Way::ALL {
        assert_eq!(Way::parse(way.name()).unwrap(), way);
    }
    assert!(Way::parse("guess").is_err());
}

#[test]
fn a_library_counts_only_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let check = |expected: bool| assert_eq!(has_standard_library(folder.path()), expected);
    check(false);
    std::fs::write(folder.path().join("libcore-1234.rlib"), "").unwrap();
    check(false);
    std::fs::write(folder.path().join("libstd-1234.rmeta"), "").unwrap();
    check(false);
    std::fs::write(folder.path().join("libstd-1234.rlib"), "").unwrap();
    check(true);
}

#[test]
fn the_description_is_read_back_as_toml() {
    let toolchain = Toolchain {
        way: Way::Apt,
        environment: vec![("RUSTC".to_owned(), "/usr/bin/rustc".to_owned())],
        compiler: String::new(),
    };
    let table: toml::Table = toolchain.to_toml().parse().unwrap();
    assert_eq!(table["way"].as_str(), Some("apt"));
    assert_eq!(table["env"]["RUSTC"].as_str(), Some("/usr/bin/rustc"));
}

#[test]
fn compilers_compare_by_number() {
    let version = standard_library::release("rustc 1.96.0\nrelease: 1.96.0\nhost: x\n").unwrap();
    assert!(version >= vec![1, 95]);
    assert!(version < vec![1, 100]);
    assert_eq!(standard_library::release("no version"), None);
}
