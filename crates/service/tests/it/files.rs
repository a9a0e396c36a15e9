//! Tests of responses that are written as files.

use refrain_app::response::ResponseFolder;

#[test]
fn no_response_is_overwritten_and_no_temporary_file_is_left() {
    let place = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let folder = ResponseFolder::new(place.path().to_owned(), Some(temporary.path().to_owned()));
    let paths: Vec<_> = (0..20).map(|k| folder.write("x", &format!("{{\"k\":{k}}}")).unwrap()).collect();
    for (k, path) in paths.iter().enumerate() {
        assert_eq!(std::fs::read_to_string(path).unwrap(), format!("{{\"k\":{k}}}\n"));
        assert_eq!(path.parent(), Some(place.path()));
    }
    assert!(paths.iter().any(|path| path.to_str().unwrap().ends_with("_2.json")), "{paths:?}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 20);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn missing_folder_is_an_error_until_it_is_created() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let folder = ResponseFolder::new(out.clone(), None);
    let error = folder.write("x", "{}").unwrap_err().to_string();
    assert!(error.contains("out") && error.contains("make the folder"), "{error}");
    std::fs::create_dir(&out).unwrap();
    folder.write("x", "{}").unwrap();
}

#[test]
fn ids_do_not_escape_from_the_folder() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let folder = ResponseFolder::new(out.clone(), None);
    for id in ["../x", "/etc/x", "..", "a/b/../../../x", "\0"] {
        assert_eq!(folder.write(id, "{}").unwrap().parent(), Some(out.as_path()), "{id:?}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}
