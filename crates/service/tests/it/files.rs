//! Responses as files.

use refrain_service::response::ResponseFolder;

#[test]
fn none_is_written_over_another_and_nothing_else_is_left() {
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
fn a_folder_that_is_missing_is_a_clear_error_and_works_when_it_is_there() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let folder = ResponseFolder::new(out.clone(), None);
    let error = folder.write("x", "{}").unwrap_err().to_string();
    assert!(error.contains("out") && error.contains("make the folder"), "{error}");
    std::fs::create_dir(&out).unwrap();
    folder.write("x", "{}").unwrap();
}

#[test]
fn ids_do_not_lead_out_of_the_folder() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let folder = ResponseFolder::new(out.clone(), None);
    for id in ["../x", "/etc/x", "..", "a/b/../../../x", "\0"] {
        assert_eq!(folder.write(id, "{}").unwrap().parent(), Some(out.as_path()), "{id:?}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}
