import os

from pet_keras.checkpoints.shipped import shipped_checkpoints


def test_the_shipped_models_are_found_by_the_names_of_their_folders():
    found = shipped_checkpoints()
    assert {'bert-mini-zh', 'gpt-mini-zh'} <= set(found)
    for name, folder in found.items():
        assert os.path.basename(folder) == name and os.path.isfile(os.path.join(folder, 'bert_config.json'))
