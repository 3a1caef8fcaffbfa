use super::super::generate_key;
use super::*;

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        generate_key(&dir.path().join("key")).unwrap();
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("secrets")
    }

    fn open(&self, seen: u64) -> Result<SecretsFile, SecretsError> {
        SecretsFile::open(&self.path(), &self.dir.path().join("key"), seen)
    }

    /// A file with two secrets, and its bytes.
    fn filled(&self) -> Vec<u8> {
        let mut file = self.open(0).unwrap();
        file.set(npm(None), &"npm-secret".into(), Timestamp(1))
            .unwrap();
        file.set(npm(Some("acme/app")), &"other-secret".into(), Timestamp(2))
            .unwrap();
        fs::read(self.path()).unwrap()
    }

    fn is_broken(&self, bytes: &[u8]) -> bool {
        fs::write(self.path(), bytes).unwrap();
        matches!(self.open(0), Err(SecretsError::Broken { .. }))
    }
}

fn npm(project: Option<&str>) -> SecretIdentity {
    let project: Option<ProjectName> = project.map(|name| name.parse().unwrap());
    SecretIdentity::new(CredentialType::NpmToken, "@acme", project.as_ref())
}

fn value(file: &SecretsFile, project: &str) -> Option<String> {
    let project = project.parse().unwrap();
    let found = file
        .get(CredentialType::NpmToken, "@acme", &project)
        .unwrap();
    found.map(|secret| secret.expose_secret().to_owned())
}

#[test]
fn a_projects_own_secret_comes_before_the_one_for_all() {
    let bench = Bench::new();
    bench.filled();
    let file = bench.open(2).unwrap();
    assert_eq!(value(&file, "acme/app").as_deref(), Some("other-secret"));
    assert_eq!(value(&file, "acme/other").as_deref(), Some("npm-secret"));
    let project = "acme/app".parse().unwrap();
    assert!(!file.has(CredentialType::NpmToken, "@acm", &project));
    assert!(!file.has(CredentialType::ApiKey, "@acme", &project));
}

#[test]
fn a_new_value_replaces_the_old_one_and_a_removed_one_is_gone() {
    let bench = Bench::new();
    bench.filled();
    let mut file = bench.open(2).unwrap();
    file.set(npm(None), &"newer".into(), Timestamp(3)).unwrap();
    let entries: Vec<(u64, i64)> = file.list().map(|e| (e.version, e.updated_at.0)).collect();
    assert_eq!(entries, [(2, 3), (1, 2)]);
    assert!(file.remove(&npm(Some("acme/app"))).unwrap());
    assert!(!file.remove(&npm(Some("acme/app"))).unwrap());
    let file = bench.open(file.counter()).unwrap();
    assert_eq!(file.counter(), 4);
    assert_eq!(value(&file, "acme/app").as_deref(), Some("newer"));
}

#[test]
fn no_value_is_readable_in_the_file_or_in_debug() {
    let bench = Bench::new();
    let bytes = bench.filled();
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains("secret ") && !text.contains(&hex::encode("npm-secret")));
    let shown = format!("{:?}", bench.open(0).unwrap());
    assert!(!shown.contains("npm-secret"));
    assert_eq!(fs::metadata(bench.path()).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_change_of_any_bit_of_any_byte_is_noticed() {
    let bench = Bench::new();
    let bytes = bench.filled();
    for at in 0..bytes.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            assert!(bench.is_broken(&changed), "byte {at} bit {bit:#x}");
        }
    }
    fs::write(bench.path(), &bytes).unwrap();
    assert!(bench.open(2).is_ok(), "the test itself changes nothing");
}

#[test]
fn a_file_cut_or_lengthened_anywhere_is_noticed() {
    let bench = Bench::new();
    let bytes = bench.filled();
    for end in 0..bytes.len() {
        assert!(bench.is_broken(&bytes[..end]), "cut at {end}");
    }
    assert!(bench.is_broken(&[bytes.as_slice(), b"\n"].concat()));
}

#[test]
fn swapped_dropped_and_doubled_records_are_noticed() {
    let bench = Bench::new();
    let text = String::from_utf8(bench.filled()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [head, counter, one, two, seal] = lines[..] else {
        panic!("{text}")
    };
    // The values change places, their identities stay.
    let (id_one, sealed_one) = one.rsplit_once(' ').unwrap();
    let (id_two, sealed_two) = two.rsplit_once(' ').unwrap();
    let swapped = (
        format!("{id_one} {sealed_two}"),
        format!("{id_two} {sealed_one}"),
    );
    for forged in [
        vec![head, counter, &swapped.0, &swapped.1, seal],
        vec![head, counter, two, one, seal],
        vec![head, counter, one, seal],
        vec![head, counter, one, one, two, seal],
        vec![head, "counter 9", one, two, seal],
    ] {
        assert!(bench.is_broken((forged.join("\n") + "\n").as_bytes()));
    }
}

#[test]
fn a_record_does_not_open_under_another_identity_even_with_a_good_seal() {
    let bench = Bench::new();
    bench.filled();
    let mut file = bench.open(0).unwrap();
    let sealed = file.records[0].sealed.clone();
    file.records[1].sealed = sealed;
    let records = file.records.clone();
    file.write(records).unwrap();
    assert!(matches!(bench.open(0), Err(SecretsError::Broken { .. })));
    let project = "acme/app".parse().unwrap();
    assert!(
        file.get(CredentialType::NpmToken, "@acme", &project)
            .is_err()
    );
}

#[test]
fn an_older_copy_is_told_by_the_counter() {
    let bench = Bench::new();
    let old = bench.filled();
    let mut file = bench.open(2).unwrap();
    file.remove(&npm(None)).unwrap();
    let seen = file.counter();
    fs::write(bench.path(), old).unwrap();
    assert!(matches!(
        bench.open(seen),
        Err(SecretsError::RolledBack {
            found: 2,
            seen: 3,
            ..
        })
    ));
    fs::remove_file(bench.path()).unwrap();
    assert!(matches!(
        bench.open(seen),
        Err(SecretsError::RolledBack { found: 0, .. })
    ));
    // We were interrupted before the counter was recorded: the file is ahead, and right.
    assert_eq!(bench.open(0).unwrap().counter(), 0);
}

#[test]
fn another_key_opens_nothing() {
    let bench = Bench::new();
    bench.filled();
    let other = bench.dir.path().join("other");
    generate_key(&other).unwrap();
    let opened = SecretsFile::open(&bench.path(), &other, 0);
    assert!(matches!(opened, Err(SecretsError::Broken { .. })));
}

#[test]
fn what_is_no_secret_is_refused_and_changes_nothing() {
    let bench = Bench::new();
    let mut file = bench.open(0).unwrap();
    let mut scoped = npm(None);
    scoped.scope = "a\nb".to_owned();
    let long = "x".repeat(VALUE_MOST + 1);
    for (identity, value) in [(scoped, "x"), (npm(None), ""), (npm(None), long.as_str())] {
        let set = file.set(identity, &value.into(), Timestamp(1));
        assert!(matches!(set, Err(SecretsError::Unfit { .. })));
    }
    assert_eq!(file.counter(), 0);
    assert!(!bench.path().exists());
}
