//! A real slapd with the schema of this project, on a free loopback port, in a temporary folder.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The suffix of its tree.
pub const SUFFIX: &str = "o=mail";
/// Who may change everything.
const ADMIN: &str = "cn=admin,o=mail";
/// Who may read everything but passwords.
pub const READER: &str = "cn=reader,o=mail";
/// The password of both.
pub const SECRET: &str = "slapd secret";

/// A running slapd; dropping it ends it and removes the folder.
#[derive(Debug)]
pub struct Slapd {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
    scheme: &'static str,
    form: Form,
}

/// How it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `slapd.conf`, with `packaging/postroom.schema`.
    File,
    /// `cn=config`, with `packaging/postroom.ldif`.
    Online,
}

impl Slapd {
    /// With these entries, beside that of the reader.
    #[track_caller]
    pub fn start(entries: &str) -> Self {
        Self::start_with("", entries)
    }

    /// With more configuration at the top of `slapd.conf`.
    ///
    /// # Panics
    /// slapd is not installed, or does not take the entries.
    #[track_caller]
    pub fn start_with(configuration: &str, entries: &str) -> Self {
        let folder = folder();
        let root = folder.path();
        std::fs::write(root.join("slapd.conf"), conf(root, configuration)).expect("ours");
        Self::begin(folder, Form::File, "ldap", entries)
    }

    /// That takes nothing but TLS, with a certificate of its own: [`Slapd::certificate`].
    #[track_caller]
    pub fn start_over_tls(entries: &str) -> Self {
        let folder = folder();
        let root = folder.path();
        make_certificate(root);
        let tls = format!(
            "TLSCertificateFile {0}/certificate.pem\nTLSCertificateKeyFile {0}/key.pem\nsecurity tls=128",
            root.display()
        );
        std::fs::write(root.join("slapd.conf"), conf(root, &tls)).expect("ours");
        Self::begin(folder, Form::File, "ldaps", entries)
    }

    /// Configured by `cn=config`, into which the schema is loaded as an operator loads it.
    #[track_caller]
    pub fn start_online(entries: &str) -> Self {
        let folder = folder();
        let root = folder.path();
        std::fs::create_dir(root.join("conf")).expect("the folder is ours");
        std::fs::write(root.join("config.ldif"), online(root)).expect("ours");
        run(Command::new(program("slapadd"))
            .args(["-n", "0", "-F"])
            .arg(root.join("conf"))
            .arg("-l")
            .arg(root.join("config.ldif")));
        Self::begin(folder, Form::Online, "ldap", entries)
    }

    #[track_caller]
    fn begin(folder: TempDir, form: Form, scheme: &'static str, entries: &str) -> Self {
        let root = folder.path();
        let reader = format!(
            "\ndn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: {SECRET}\n"
        );
        std::fs::write(root.join("entries.ldif"), format!("{entries}\n{reader}")).expect("ours");
        run(Command::new(program("slapadd"))
            .args(form.arguments(root))
            .args(["-n", "1", "-l"])
            .arg(root.join("entries.ldif")));
        let mut slapd = Self {
            folder,
            port: 0,
            child: None,
            scheme,
            form,
        };
        slapd.launch();
        slapd
    }

    /// Starts it, again after [`Slapd::stop`] on the same port.
    #[track_caller]
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        for _ in 0..10 {
            let port = if self.port == 0 {
                free_port()
            } else {
                self.port
            };
            let log = std::fs::File::create(self.folder.path().join("log")).expect("ours");
            let url = format!("{}://127.0.0.1:{port}", self.scheme);
            let mut child = Command::new(program("slapd"))
                .args(self.form.arguments(self.folder.path()))
                .args(["-h", &url, "-d", "0"])
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("slapd starts");
            if answers(port, &mut child) {
                self.port = port;
                self.child = Some(child);
                return;
            }
            // Another process got the port first.
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("slapd does not start: {log}");
    }

    /// Ends it. Its port refuses from now on.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address())
    }

    /// The certificate of [`Slapd::start_over_tls`], which vouches for itself.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Makes changes: records of LDIF with `changetype`, or entries to add.
    #[track_caller]
    pub fn change(&self, ldif: &str) {
        let file = self.folder.path().join("change.ldif");
        std::fs::write(&file, ldif).expect("ours");
        run(Command::new(program("ldapmodify"))
            .args([
                "-a",
                "-x",
                "-H",
                &self.url(),
                "-D",
                ADMIN,
                "-w",
                SECRET,
                "-f",
            ])
            .arg(&file));
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Form {
    fn arguments(self, root: &Path) -> [PathBuf; 2] {
        match self {
            Self::File => ["-f".into(), root.join("slapd.conf")],
            Self::Online => ["-F".into(), root.join("conf")],
        }
    }
}

#[track_caller]
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("postroom-slapd-").tempdir();
    let folder = folder.expect("a temporary folder");
    std::fs::create_dir(folder.path().join("db")).expect("the folder is ours");
    folder
}

/// A certificate for 127.0.0.1 that is its own authority, and its key.
#[track_caller]
pub fn make_certificate(folder: &Path) {
    let config = folder.join("openssl.cnf");
    let text = "[req]\ndistinguished_name = name\nx509_extensions = server\nprompt = no\n[name]\nCN = slapd\n\
                [server]\nsubjectAltName = IP:127.0.0.1\nbasicConstraints = critical, CA:FALSE\n";
    std::fs::write(&config, text).expect("the folder is ours");
    run(Command::new(program("openssl"))
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-config"])
        .arg(&config)
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("certificate.pem")));
}

/// The configuration as entries, with the schema that is shipped for it.
fn online(root: &Path) -> String {
    let schema = repository().join("packaging/postroom.ldif");
    let root = root.display();
    format!(
        "dn: cn=config\nobjectClass: olcGlobal\ncn: config\nolcPidFile: {root}/pid\n\n\
         dn: cn=module{{0}},cn=config\nobjectClass: olcModuleList\ncn: module{{0}}\n\
         olcModulePath: /usr/lib/ldap\nolcModuleLoad: back_mdb\n\n\
         dn: cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: schema\n\n\
         include: file:///etc/ldap/schema/core.ldif\n\n\
         include: file:///etc/ldap/schema/cosine.ldif\n\n\
         include: file:///etc/ldap/schema/inetorgperson.ldif\n\n\
         include: file://{}\n\n\
         dn: olcDatabase={{1}}mdb,cn=config\nobjectClass: olcDatabaseConfig\nobjectClass: olcMdbConfig\n\
         olcDatabase: {{1}}mdb\nolcSuffix: {SUFFIX}\nolcDbDirectory: {root}/db\nolcDbMaxSize: 268435456\n\
         olcDbNoSync: TRUE\nolcRootDN: {ADMIN}\nolcRootPW: {SECRET}\n\
         olcDbIndex: objectClass,entryUUID,modifyTimestamp,mail,uid eq\n\
         olcLimits: dn.exact=\"{READER}\" size=unlimited\n\
         olcAccess: {{0}}to attrs=userPassword by anonymous auth by * none\n\
         olcAccess: {{1}}to * by dn.exact=\"{READER}\" read by anonymous auth by * none\n",
        schema.display()
    )
}

fn conf(root: &Path, more: &str) -> String {
    let schema = repository().join("packaging/postroom.schema");
    let root = root.display();
    format!(
        "include /etc/ldap/schema/core.schema\n\
         include /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n\
         include {}\n\
         modulepath /usr/lib/ldap\n\
         moduleload back_mdb\n\
         pidfile {root}/pid\n\
         {more}\n\
         database mdb\n\
         suffix \"{SUFFIX}\"\n\
         directory {root}/db\n\
         maxsize 268435456\n\
         dbnosync\n\
         rootdn \"{ADMIN}\"\n\
         rootpw \"{SECRET}\"\n\
         index objectClass,entryUUID,modifyTimestamp,mail,uid eq\n\
         limits dn.exact=\"{READER}\" size=unlimited\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact=\"{READER}\" read by anonymous auth by * none\n",
        schema.display()
    )
}

/// The folder that has the schema.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("packaging/postroom.schema").exists())
        .expect("the tests run inside the repository")
        .to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

fn answers(port: u16, child: &mut Child) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    false
}

#[track_caller]
fn run(command: &mut Command) {
    let ended = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        ended.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

/// Where a program is; system programs are not in everybody's PATH.
#[track_caller]
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: apt install slapd ldap-utils"))
}
