import json
import os


def test_checkpoint_list_names_the_shipped_model_and_inspect_describes_one(run, tiny):
    status, out, _ = run('checkpoint', 'list')
    folders = dict(line.split(None, 1) for line in out.splitlines())
    assert status == 0 and sorted(folders) == ['bert-mini-zh', 'bert-small-zh', 'gpt-mini-zh']
    assert all(os.path.isfile(os.path.join(folder, 'vocab.txt')) for folder in folders.values())
    status, out, _ = run('checkpoint', 'inspect', tiny)
    assert status == 0 and 'mlm head' in out and 'present' in out and tiny in out
    status, out, _ = run('checkpoint', 'inspect', tiny, '--json')
    found = json.loads(out)
    assert status == 0
    assert (found['family'], found['layers'], found['hidden_size'], found['max_position']) == ('bert', 1, 16, 64)


def test_checkpoint_inspect_says_that_an_mlm_head_is_missing(run, make_checkpoint, tmp_path):
    status, out, _ = run('checkpoint', 'inspect', make_checkpoint(tmp_path, head=False), '--json')
    assert status == 0 and json.loads(out)['mlm_head'] == 'missing'
