import sys

from pet_keras.cli import main

sys.exit(main())
