<?php

namespace App;

use Illuminate\Database\Eloquent\Model;

class Contact extends Model
{
    const UPDATED_AT = null;

    public $incrementing = false;

    protected $keyType = 'string';

    protected $guarded = [];

    protected $casts = ['custom_fields' => 'array', 'tags' => 'array'];

    public function scopeOfChannel($query, $channel)
    {
        return $query->where('channel_id', $channel->id);
    }

    /** Matches in any case, as the usual collations of MySQL do. */
    public function scopeHaving($query, $name, $value)
    {
        $same = 'select 1 from json_each(custom_fields) where key = ? and value = ? collate nocase';

        return $query->whereRaw("exists ($same)", [$name, $value]);
    }
}
