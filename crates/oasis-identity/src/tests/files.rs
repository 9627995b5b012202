//! Tests of keys in files.

use std::fs;

use oasis_core::chain;

use super::samples::{NOW, Sample, at};
use crate::claims::Rules;
use crate::key::Name;
use crate::keys::{KeySource, Keys};
use crate::rejection::Rejection;

#[test]
fn a_file_has_one_key_and_its_name_is_the_kid() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    let samples = Sample::minted();
    let with_files = samples.iter().filter(|sample| sample.pem.is_some()).collect::<Vec<_>>();
    for (number, sample) in with_files.iter().enumerate() {
        files.push(folder.path().join(format!("key-{number}.pem")));
        fs::write(&files[number], sample.pem.as_ref().unwrap()).unwrap();
    }
    // All tokens have the kid `key-1`, so only the key in `key-1.pem` is tried. The first two samples have
    // this key. The other samples have other algorithms.
    let keys = Keys::new(&[KeySource::Files(files.clone())], Rules::default()).unwrap();
    assert_eq!(keys.keys[1].name, Name::File("key-1".to_owned()));
    for (number, sample) in with_files.iter().enumerate() {
        let expected = if number < 2 { None } else { Some(Rejection::NoKey) };
        assert_eq!(keys.verify(&sample.token, at(NOW)).err(), expected, "{}", sample.name);
    }
    let renamed = folder.path().join("issuer.pem");
    fs::rename(&files[1], &renamed).unwrap();
    files.truncate(1);
    files.push(renamed);
    let keys = Keys::new(&[KeySource::Files(files)], Rules::default()).unwrap();
    for sample in with_files {
        assert_eq!(
            keys.verify(&sample.token, at(NOW)).unwrap_err(),
            Rejection::UnknownKid,
            "{}",
            sample.name
        );
    }
}

#[test]
fn a_list_has_at_most_64_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let samples = Sample::minted();
    fs::write(&path, samples.iter().find_map(|sample| sample.pem.as_ref()).unwrap()).unwrap();
    let of = |files: usize| Keys::new(&[KeySource::Files(vec![path.clone(); files])], Rules::default());
    assert_eq!(of(64).unwrap().keys.len(), 64);
    let error = of(65).unwrap_err().to_string();
    assert_eq!(error, "JWT_PUBLIC_KEYS: the list has 65 files: expected at most 64");
}

#[test]
fn a_bad_file_is_reported_with_its_path_and_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let error = || {
        let keys = Keys::new(&[KeySource::Files(vec![path.clone()])], Rules::default());
        chain(&keys.unwrap_err())
    };
    let missing = error();
    fs::write(&path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let private = error();
    for (error, expected) in [(&missing, "No such file"), (&private, "openssl pkey")] {
        assert!(error.starts_with("JWT_PUBLIC_KEYS: ") && error.contains("key.pem"), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}
