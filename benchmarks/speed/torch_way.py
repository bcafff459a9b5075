"""A way of `run.py`: PyTorch with transformers, and peft for P-tuning. Needs neither TensorFlow nor this library."""
import contextlib
import json
import sys
import time

import lessons
import torch
from peft import TrainableTokensConfig, get_peft_model
from transformers import AutoModelForMaskedLM

args = json.loads(sys.argv[1])
model = AutoModelForMaskedLM.from_pretrained(args['folder'])
if args['work'] == 'P-tuning':
    model = get_peft_model(model, TrainableTokensConfig(token_indices=list(range(1, 9))))
loaded = lessons.memory()
batches = list(lessons.batches(args['lessons'], args['work']))
half = torch.autocast('cpu', torch.bfloat16) if args['precision'] == 'bfloat16' else contextlib.nullcontext()
model.train(args['work'] != 'scoring')
if args['work'] != 'scoring':
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-5)


def step(ids, targets):
    ids, targets = torch.from_numpy(ids).long(), torch.from_numpy(targets).long()
    if args['work'] == 'scoring':
        with torch.inference_mode(), half:
            model(input_ids=ids, attention_mask=ids > 0).logits.float().softmax(-1)
        return
    with half:
        loss = model(input_ids=ids, attention_mask=ids > 0, labels=targets.masked_fill(targets == 0, -100)).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


for batch in batches[:1] if args['epochs'] == 1 else batches:
    step(*batch)
begun = time.perf_counter()
for batch in batches:
    step(*batch)
seconds, peak = time.perf_counter() - begun, lessons.peak()
print(json.dumps({'rate': args['texts'] / seconds, 'memory': peak - loaded}))
