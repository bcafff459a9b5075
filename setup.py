# -*- coding: utf-8 -*-
import re

from setuptools import find_packages, setup

version = re.search(r"__version__ = '(.+)'", open('pet_keras/__init__.py', encoding='utf-8').read()).group(1)

setup(
    name='pet-keras',
    version=version,
    description='Few-shot and zero-shot Chinese text classification with the language model you already have',
    long_description=open('README.md', encoding='utf-8').read(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords='pattern-exploiting training, PET, P-tuning, few-shot, zero-shot, Chinese, text classification, bert4keras',
    python_requires='>=3.10',
    # pretrained/ stands at the top of the repository and is installed inside the package
    packages=find_packages(include=['pet_keras', 'pet_keras.*']) + ['pet_keras.pretrained'],
    package_dir={'pet_keras.pretrained': 'pretrained'},
    package_data={
        'pet_keras': ['cloze/tasks/*.json', 'data/texts/*', 'serving/pages/*'],
        'pet_keras.pretrained': ['README.md', '*/*'],
    },
    # bert4keras is not here: its metadata asks for keras<=2.3.1, so pip could install only an old
    # release of it beside TensorFlow. pet_keras.backend says what to type when it is missing.
    install_requires=[
        'tensorflow>=2.16',
        'tf-keras>=2.16',
        'numpy',
        'jieba',
        'safetensors',
        'h5py',  # tf_model.h5
        'setuptools; python_version >= "3.12"',  # distutils, for bert4keras
    ],
    extras_require={
        'data': ['datasketch>=1.6'],  # near duplicates
        'hub': ['huggingface_hub>=0.36'],  # hf:owner/name
        'experiments': ['pyyaml', 'matplotlib'],  # experiment files in YAML; plots
        'serve': ['fastapi>=0.132', 'uvicorn>=0.30', 'prometheus_client>=0.21'],  # HTTP; GET /metrics
        'onnx': ['onnx>=1.17', 'onnxruntime>=1.19'],  # pet-keras export; predict --engine onnx
        'sklearn': ['scikit-learn>=1.6'],  # PetClassifier; bag-of-words, frozen-features
        'ray': ['ray>=2.40', 'pyarrow>=17', 'pandas>=2.2'],  # --engine ray; Parquet
        'tensorboard': ['tensorboard>=2.16'],  # keras.callbacks.TensorBoard in fit(callbacks=…)
        'test': ['pytest', 'pytest-timeout', 'pytest-xdist', 'hypothesis'],
    },
    entry_points={'console_scripts': ['pet-keras = pet_keras.cli.main:main']},
)
