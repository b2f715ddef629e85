from lucency.evaluation.configuration_section import configuration_section


def test_nested_keys_get_a_row_each():
    config = {"epochs": 3, "display": {"low": 0.5, "crop": {}}, "labels": ["a", "b"]}
    section = configuration_section(config, {"libraries": {"numpy": "2"}})
    configuration, environment = section.tables
    assert configuration.rows == [
        ("epochs", "3"),
        ("display.low", "0.5"),
        ("display.crop", "{}"),
        ("labels", "['a', 'b']"),
    ]
    assert environment.rows == [("libraries.numpy", "2")]
