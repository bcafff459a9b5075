import sys

from pet_keras.cli.main import main

sys.exit(main())
