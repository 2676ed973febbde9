<?php

namespace App;

use Illuminate\Http\Resources\Json\JsonResource;

class ContactResource extends JsonResource
{
    public function toArray($request)
    {
        return [
            'id' => $this->id,
            'custom_fields' => $this->custom_fields,
            'tags' => $this->tags,
            'created_at' => $this->created_at->timestamp,
        ];
    }
}
