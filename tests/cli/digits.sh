# Sourced by cases: a folder called digits in MNIST's format, 60 training and 30 held-out pictures of 8 x 8, 2 classes.
# usage: . "$ROOT/tests/cli/digits.sh"
make_digits() { # NAME OCTAL-COUNT COUNT START
    { printf "\\000\\000\\010\\003\\000\\000\\000\\$2\\000\\000\\000\\010\\000\\000\\000\\010"
      seq "$4" 9999 | tr -d '\n' | head -c $(($3 * 64)); } > "digits/$1-images-idx3-ubyte"
    { printf "\\000\\000\\010\\001\\000\\000\\000\\$2"
      i=0; while [ $i -lt "$3" ]; do printf "\\00$((i % 2))"; i=$((i + 1)); done; } > "digits/$1-labels-idx1-ubyte"
}
mkdir digits && make_digits train 074 60 1000 && make_digits t10k 036 30 3456
