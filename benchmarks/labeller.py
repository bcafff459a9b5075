"""A person who labels: gives a label to each text that `pet-keras label` serves, and waits for the model."""
import http.client
import json
import os
import urllib.parse

PAUSE = .1  # seconds between two answers


class Labeller(object):
    """Answers the texts in their order, in one life of the server after the other.

    Arguments: `port`; `out`, the session's folder; `label_of`, function of a text, '' skips it.

    Attributes: `acknowledged`, dict text → label, which the server said it has; `complaint`, what was wrong, or None;
    `is_done`, whether all is answered and the model learned from it.
    """
    def __init__(self, port, out, label_of):
        self.port, self.out, self.label_of = port, out, label_of
        self.acknowledged, self.complaint, self.is_done, self._sent = {}, None, False, None

    def work(self, ended):
        """Works until all is done, the server is gone or it can keep nothing. Arguments: `ended`, an Event."""
        try:
            while not self._is_up():
                if ended.wait(.02):
                    return
            self._label(ended)
        except (OSError, http.client.HTTPException):  # the server was ended
            pass

    def lost(self):
        """What is wrong with the answers on disk, or None."""
        if self.complaint is None:
            there = answers_in(self.out)
            missing = [pair for pair in self.acknowledged.items() if pair not in there]
            if missing:
                self.complaint = '%d acknowledged answers are not on the disk' % len(missing)
            elif len({text for text, _ in there}) < len(there):
                self.complaint = 'a text was answered twice'
        return self.complaint

    def _label(self, ended):
        texts = self._texts()
        said = {text['texts'][0]: text['label'] for text in texts}
        if len(said) < len(texts) or any(said.get(text) != label for text, label in self.acknowledged.items()):
            self.complaint = 'The server started again shows other answers than those that it had acknowledged'
            return
        for text in texts:
            words = text['texts'][0]
            if text['label'] is None or words == self._sent:  # what was sent and not answered is sent again
                self._sent = words
                status, _ = self._ask('POST', '/v1/answer', {
                    'window': 'w', 'id': text['id'], 'label': self.label_of(words), 'before': None})
                if status not in ((200, 409) if text['label'] is not None else (200,)):
                    return
                self.acknowledged[words], self._sent = self.label_of(words), None
                if ended.wait(PAUSE):
                    return
        self._ask('POST', '/v1/finish', {'window': 'w'})
        while not ended.wait(.05):
            state = self._ask('GET', '/v1/state', None)[1]['state']
            if state['finished'] or state['problem']:
                self.is_done = not state['problem']
                return

    def _is_up(self):
        try:
            return self._ask('GET', '/v1/state', None)
        except ConnectionRefusedError:  # nobody listens yet
            return None

    def _texts(self):
        """All texts, as the page lists them: those without a label in the order of the file."""
        found = []
        while True:
            page = self._ask('GET', '/v1/texts?' + urllib.parse.urlencode({'start': len(found)}), None)[1]
            found += page['texts']
            if len(found) >= page['total']:
                return found

    def _ask(self, method, path, body):
        """(status, the JSON of the answer)."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        try:
            connection.request(method, path, body and json.dumps(body).encode(), {'Content-Type': 'application/json'})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def answers_in(out):
    """The list of (text, label) in the session's file, without a last line that a kill cut short."""
    path = os.path.join(out, 'answers.jsonl')
    if not os.path.exists(path):
        return []
    with open(path, 'rb') as reader:
        whole = reader.read()
    found = [json.loads(line) for line in whole[:whole.rfind(b'\n') + 1].splitlines()]
    return [(fields['text'], fields['label']) for fields in found]
