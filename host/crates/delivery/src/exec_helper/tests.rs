use std::ffi::OsString;

use super::{Confinement, RunAs, RunAsError};

#[test]
fn arguments_are_read_back() {
    let strange = Confinement {
        run_as: RunAs::new(1000, 1001),
        memory_bytes: 1,
        cpu_seconds: 2,
        open_files: 3,
        file_bytes: u64::MAX,
        processes: 5,
    };
    for confinement in [Confinement::default(), strange] {
        let mut arguments = confinement
            .arguments()
            .into_iter()
            .chain(["/bin/true", "--uid", "0"].map(OsString::from));
        assert_eq!(Confinement::parse(&mut arguments), Ok(confinement));
        let rest: Vec<_> = arguments.collect();
        assert_eq!(rest, ["/bin/true", "--uid", "0"]);
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for arguments in [
        &["--uid", "0", "--gid", "1", "--"][..],
        &["--uid", "1", "--gid", "0", "--"],
        &["--uid", "1", "--"],
        &["--uid", "4294967296", "--gid", "1", "--"],
        &["--uid", "-1", "--gid", "1", "--"],
        &["--memory"],
        &["--memory", "much", "--"],
        &["--other", "1", "--"],
        &["/bin/sh", "-c"],
        &["--uid", "x", "--gid", "y"],
    ] {
        let mut arguments = arguments.iter().map(OsString::from);
        assert!(Confinement::parse(&mut arguments).is_err());
    }
}

#[test]
fn users_are_found_by_name() {
    let users = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nwheel:x:7:0::/:\nbad:x:many:1::/:\nshort:x\n";
    assert_eq!(
        RunAs::find("nobody", users),
        Ok(RunAs {
            uid: 65534,
            gid: 65534
        })
    );
    for (name, error) in [
        ("root", RunAsError::Root("root".into())),
        ("wheel", RunAsError::Root("wheel".into())),
        ("bad", RunAsError::Unknown("bad".into())),
        ("short", RunAsError::Unknown("short".into())),
        ("", RunAsError::Unknown(String::new())),
        ("nobody:x", RunAsError::Unknown("nobody:x".into())),
    ] {
        assert_eq!(RunAs::find(name, users), Err(error));
    }
    assert_eq!((RunAs::new(0, 5), RunAs::new(5, 0)), (None, None));
}
