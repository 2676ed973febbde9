<?php

// The sentences of the framework's application skeleton, which the framework's package does not bring.
return [
    'array' => 'The :attribute must be an array.',
    'date_format' => 'The :attribute does not match the format :format.',
    'email' => 'The :attribute must be a valid email address.',
    'in' => 'The selected :attribute is invalid.',
    'max' => [
        'string' => 'The :attribute must not be greater than :max characters.',
        'array' => 'The :attribute must not have more than :max items.',
    ],
    'numeric' => 'The :attribute must be a number.',
    'present' => 'The :attribute field must be present.',
    'required' => 'The :attribute field is required.',
    'string' => 'The :attribute must be a string.',
];
